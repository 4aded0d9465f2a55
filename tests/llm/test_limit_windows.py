"""No span of a minute holds more than the limit, whatever the order of things."""

import struct
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm.gateway.limit_scripts import ADMIT, FINISH, GIVE_BACK
from llm.gateway.local_limits import LocalLimits, SlidingWindow
from llm.limit import WINDOW_S, Asked, Limit
from tests.own_redis import OwnRedis

# Seconds that pass before a call asks for tokens; those it uses; whether it ends late.
CALLS = st.lists(
    st.tuples(st.floats(0, 40), st.integers(1, 12), st.integers(0, 15), st.booleans()),
    min_size=1,
    max_size=60,
)
LIMIT = Limit(requests_per_minute=8, tokens_per_minute=40)


class ScriptedRedis:
    """The limiter's own Lua in Redis, with the clock that a test sets."""

    def __init__(self, server: OwnRedis) -> None:
        self.client = redis.Redis.from_url(server.url)
        self.now = 1_000_000.0

    def run(self, lua: str, *args: Any) -> list[int]:
        clock = f"{{'{int(self.now)}', '{int(self.now % 1 * 1e6)}'}}"
        told = lua.replace("redis.call('TIME')", clock)
        assert told != lua
        answer: Any = self.client.eval(told, 2, "w", "l", *args)
        return answer

    def admit(self, tokens: int, *, limit: Limit = LIMIT, ahead: int = 0) -> Any:
        """Return the second of an admission, and the calls and tokens granted ahead.

        None when it is refused.
        """
        answer = self.run(
            ADMIT, "place", 1000, ahead, ahead * tokens, limit.requests_per_minute,
            limit.tokens_per_minute, -1, tokens,
        )  # fmt: skip
        if answer[0]:
            return answer[1], answer[4], answer[5]
        assert answer[3] > 0
        return None

    def finish(self, second: int, reserved: int, used: int) -> None:
        self.run(FINISH, "place", second, reserved, used)

    def give_back(self, second: int, calls: int, tokens: int) -> None:
        self.run(GIVE_BACK, calls, tokens, second, -1)

    def sums(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the sum of calls and of tokens, each with those of its seconds."""
        window: Any = self.client.hgetall("w")
        state = {name.decode(): value for name, value in window.items()}
        _, *sums = struct.unpack(">5d", state.pop("n", bytes(40)))
        for total, newest, slot in zip(sums[:2], sums[2:], "rt", strict=True):
            slots = [int(count) for name, count in state.items() if name[0] == slot]
            yield total, [newest, *slots]


@pytest.fixture
def scripted(own_redis: OwnRedis) -> Iterator[ScriptedRedis]:
    scripted = ScriptedRedis(own_redis)
    yield scripted
    scripted.client.close()


def most_in_any_minute(events: list[tuple[float, int]]) -> int:
    """Return the biggest sum over a span of 60 s that begins with an event."""
    return max(
        (
            sum(amount for at, amount in events if start <= at <= start + WINDOW_S)
            for start, _ in events
        ),
        default=0,
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_redis_never_counts_more_than_the_limit(scripted: ScriptedRedis, calls):
    scripted.client.flushall()
    requests, tokens = [], []
    for pause_s, asked, _, _ in calls:
        scripted.now += pause_s
        if scripted.admit(asked) is not None:
            requests.append((scripted.now, 1))
            tokens.append((scripted.now, asked))

    assert most_in_any_minute(requests) <= 8
    assert most_in_any_minute(tokens) <= 40
    assert requests


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_sums_are_those_of_their_seconds_after_any_correction(
    scripted: ScriptedRedis, calls
):
    scripted.client.flushall()
    running = []
    for pause_s, asked, used, late in calls:
        scripted.now += pause_s
        admitted = scripted.admit(asked)
        if admitted is not None:
            running.append((admitted[0], asked, used))
        if running and not late:
            scripted.finish(*running.pop(0))
        for total, slots in scripted.sums():
            assert sum(slots) == total
            assert all(count >= 0 for count in slots)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS, st.integers(0, 20))
def test_what_is_lent_is_never_more_than_the_limit_and_comes_back(
    scripted: ScriptedRedis, calls, ahead
):
    scripted.client.flushall()
    wide = Limit(requests_per_minute=60, tokens_per_minute=400)
    requests, tokens, lent = [], [], []
    for pause_s, asked, _, returned in calls:
        scripted.now += pause_s
        if (admitted := scripted.admit(asked, limit=wide, ahead=ahead)) is not None:
            second, more_calls, more_tokens = admitted
            lent.append((second, more_calls, more_tokens))
            requests.append((scripted.now, 1 + more_calls))
            tokens.append((scripted.now, asked + more_tokens))
        if lent and returned:
            scripted.give_back(*lent.pop())
            at = requests.pop()[0]
            requests.append((at, 1))
            tokens[-1] = (at, asked)
        for total, slots in scripted.sums():
            assert sum(slots) == total
            assert all(count >= 0 for count in slots)

    assert most_in_any_minute(requests) <= 60
    assert most_in_any_minute(tokens) <= 400


def test_nothing_is_lent_where_little_is_left(scripted: ScriptedRedis):
    limit = Limit(requests_per_minute=20, tokens_per_minute=10_000)
    granted = [scripted.admit(1, limit=limit, ahead=5)[1] for _ in range(18)]

    assert granted == [1, 1] + 16 * [0]
    assert scripted.admit(1, limit=limit, ahead=5) is None


def test_room_returns_when_the_answer_says_so(scripted: ScriptedRedis):
    for _ in range(8):
        assert scripted.admit(1) is not None
        scripted.now += 1
    refused = scripted.run(ADMIT, "owner", 1000, 0, 0, 8, 40, -1, 1)

    scripted.now += refused[3] / 1000 - 0.01
    assert scripted.admit(1) is None
    scripted.now += 0.02
    assert scripted.admit(1) is not None


def test_a_clock_that_steps_back_neither_opens_nor_closes_the_gates(
    scripted: ScriptedRedis,
):
    for _ in range(8):
        assert scripted.admit(1) is not None
    scripted.now -= 30
    assert scripted.admit(1) is None
    scripted.now -= 3600
    assert scripted.admit(1) is not None


@given(CALLS)
def test_a_process_never_admits_more_than_its_share(calls):
    local, now = LocalLimits(2), 0.0
    requests, tokens = [], []
    for pause_s, asked, _, _ in calls:
        now += pause_s
        call = Asked([("key:a", LIMIT)], asked, "owner")
        if local.check(call, int(now)) is None:
            local.take(call, int(now))
            requests.append((now, 1))
            tokens.append((now, asked))

    assert most_in_any_minute(requests) <= 4
    assert most_in_any_minute(tokens) <= 20
    assert requests


@given(CALLS)
def test_what_is_undone_leaves_no_trace(calls):
    local, plain, now = LocalLimits(1), LocalLimits(1), 0.0
    for pause_s, asked, _, undone in calls:
        now += pause_s
        call = Asked([("key:a", LIMIT)], asked, "owner")
        local.take(call, int(now))
        if undone:
            local.undo(call, int(now))
        else:
            plain.take(call, int(now))
        left = [each.check(call, int(now)) for each in (local, plain)]
        assert (left[0] is None) == (left[1] is None)


def test_a_window_frees_what_it_counted_after_a_minute():
    window = SlidingWindow()
    window.add(0, 3)
    window.add(10, 4)

    assert window.wait_s(20, 2) == 41
    assert window.wait_s(20, 5) == 51
    assert window.catch_up(60) == 7
    assert window.catch_up(61) == 4
    assert window.catch_up(71) == 0
    window.take_back(10, 4)
    assert window.used == 0


def test_idle_buckets_are_forgotten():
    local = LocalLimits(1)
    for number in range(100):
        local.take(Asked([(f"key:{number}", LIMIT)], 1, "owner"), number)

    local.sweep(99 + WINDOW_S)

    assert len(local) == 1
