"""A bound in bytes that holds whatever is put under it."""

import sys
import tracemalloc
from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.byte_lru import OVERHEAD_BYTES, ByteLru

BOUND = 20_000
KEYS = st.sampled_from("abcdefghijkl")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, BOUND // 4)),
        st.tuples(st.just("get"), KEYS, st.just(0)),
        st.tuples(st.just("drop"), KEYS, st.just(0)),
    ),
    max_size=80,
)


class Model:
    """The same in the plainest way: a list in order of use."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, bytes] = OrderedDict()

    def size(self) -> int:
        return sum(len(k) + len(v) + OVERHEAD_BYTES for k, v in self.kept.items())

    def put(self, key: str, value: bytes) -> None:
        self.kept.pop(key, None)
        if len(key) + len(value) + OVERHEAD_BYTES > BOUND // 8:
            return
        self.kept[key] = value
        while self.size() > BOUND:
            self.kept.popitem(last=False)

    def get(self, key: str) -> bytes | None:
        if key in self.kept:
            self.kept.move_to_end(key)
        return self.kept.get(key)


@given(STEPS)
def test_it_keeps_what_a_model_keeps_and_never_more_than_the_bound(steps):
    lru: ByteLru[bytes] = ByteLru(BOUND, weigh=len)
    model = Model()

    for step, key, size in steps:
        if step == "put":
            lru.put(key, b"x" * size)
            model.put(key, b"x" * size)
        elif step == "get":
            assert lru.get(key) == model.get(key)
        else:
            lru.drop(key)
            model.kept.pop(key, None)
        assert lru.used_bytes == model.size() <= BOUND
        assert len(lru) == len(model.kept)

    assert [key for key in "abcdefghijkl" if lru.get(key) is not None] == sorted(
        model.kept
    )


def test_a_huge_value_pushes_nothing_out():
    lru: ByteLru[bytes] = ByteLru(BOUND, weigh=len)
    lru.put("small", b"kept")

    assert not lru.put("huge", b"x" * (BOUND // 8))
    assert lru.get("small") == b"kept"
    assert lru.get("huge") is None


def test_a_value_that_became_too_big_is_not_served_as_it_was():
    lru: ByteLru[bytes] = ByteLru(BOUND, weigh=len)
    lru.put("key", b"old")
    lru.put("key", b"x" * BOUND)

    assert lru.get("key") is None


def test_the_overhead_that_it_counts_is_what_python_takes():
    lru: ByteLru[bytes] = ByteLru(1 << 30, weigh=len)
    tracemalloc.start()
    for number in range(5000):
        lru.put(f"{number:064}", bytes(1000))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sys.getsizeof(b"") < OVERHEAD_BYTES
    assert 0.9 * taken < lru.used_bytes < 1.3 * taken
