"""How often the demo's agents call; no server is needed."""

import datetime as dt
from random import Random

from devora_ops.demo.pace import calls_an_hour, next_caller, pause_s
from devora_ops.simulator.cast import ROLES, SUMMARIES

NOON = dt.datetime(2026, 11, 18, 11, 0, tzinfo=dt.UTC)
NIGHT = NOON + dt.timedelta(hours=15)
LONG_AGO = NOON - dt.timedelta(days=1)


def pauses(at: dt.datetime, *, began: dt.datetime) -> list[float]:
    dice = Random(1)
    return [pause_s(at, began=began, dice=dice) for _ in range(500)]


def test_there_is_never_more_than_one_call_a_second():
    assert min(pauses(NOON, began=NOON)) >= 1


def test_it_is_livelier_while_somebody_looks_for_the_first_time():
    first, later = pauses(NOON, began=NOON), pauses(NOON, began=LONG_AGO)
    assert sum(first) < sum(later) / 2


def test_a_day_is_as_busy_as_those_of_the_history():
    day = [NOON + dt.timedelta(hours=hour) for hour in range(24)]
    calls = sum(calls_an_hour(role, at) for role in ROLES for at in day)
    assert 2000 < calls < 3000


def test_nights_are_quiet_but_not_dead():
    by_night = pauses(NIGHT, began=LONG_AGO)
    assert sum(by_night) > sum(pauses(NOON, began=LONG_AGO))
    assert max(by_night) < 180


def test_each_agent_keeps_its_hours():
    dice = Random(2)
    early = dt.datetime(2026, 11, 18, 5, 30, tzinfo=dt.UTC)
    callers = [next_caller(early, dice) for _ in range(400)]
    assert callers.count(SUMMARIES) > 200
