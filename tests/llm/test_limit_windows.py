"""No span of a minute holds more than the limit, whatever the order of things."""

import struct
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm.gateway.limit_scripts import ADMIT, FINISH
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

    def admit(self, tokens: int) -> int | None:
        """Return the second of an admission, None when it is refused."""
        answer = self.run(
            ADMIT, "owner", 1000, 0, 0, LIMIT.requests_per_minute, LIMIT.tokens_per_minute,
            -1, tokens,
        )  # fmt: skip
        if answer[0]:
            return answer[1]
        assert answer[3] > 0
        return None

    def finish(self, second: int, reserved: int, used: int) -> None:
        self.run(FINISH, "owner", second, reserved, used)


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
        second = scripted.admit(asked)
        if second is not None:
            running.append((second, asked, used))
        if running and not late:
            scripted.finish(*running.pop(0))
        window: Any = scripted.client.hgetall("w")
        state = {name.decode(): value for name, value in window.items()}
        _, *sums = struct.unpack(">5d", state.pop("n", bytes(40)))
        for total, newest, slot in zip(sums[:2], sums[2:], "rt", strict=True):
            slots = [int(count) for name, count in state.items() if name[0] == slot]
            assert sum(slots) + newest == total
            assert all(count >= 0 for count in (newest, *slots))


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
        taken = local.take(call, int(now))
        if undone:
            local.undo(call, taken)
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
