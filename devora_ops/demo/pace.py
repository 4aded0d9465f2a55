"""How often the demo's agents call, by the clock of their working day. Pure."""

import datetime as dt
from random import Random
from typing import Final

from devora_ops.demo.loading import CALLS_PER_DAY
from devora_ops.simulator.cast import ROLES, Role
from devora_ops.simulator.story import PARIS

SHORTEST_S: Final = 1.0
# By night too, somebody who looks at the live page sees a call now and then.
_LONGEST_S: Final = 45.0
# Whoever has just started the installation wants to see it work.
_LIVELY: Final = dt.timedelta(minutes=10)
_LIVELY_S: Final = 5.0
_SATURDAY: Final = 5


def calls_an_hour(role: Role, at: dt.datetime) -> float:
    """Return how often an agent calls at this hour, as its history goes on."""
    local = at.astimezone(PARIS)
    busy = float(role.hours[local.hour])
    if local.weekday() >= _SATURDAY:
        busy *= role.weekend
    usual = sum(role.hours) * (5 + 2 * role.weekend) / 7
    return role.share * CALLS_PER_DAY * busy / usual


def next_caller(at: dt.datetime, dice: Random) -> Role:
    """Choose an agent, each as likely as it is busy."""
    weights = [calls_an_hour(role, at) for role in ROLES]
    return dice.choices(ROLES, weights)[0]


def pause_s(at: dt.datetime, *, began: dt.datetime, dice: Random) -> float:
    """Return the time until the next call: random, as of many people who do not know
    of each other, and never less than a second."""
    mean_s = 3600 / max(1.0, sum(calls_an_hour(role, at) for role in ROLES))
    mean_s = min(mean_s, _LIVELY_S if at - began < _LIVELY else _LONGEST_S)
    return max(SHORTEST_S, min(dice.expovariate(1 / mean_s), 3 * mean_s))
