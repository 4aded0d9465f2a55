"""Where budgets are heading, by what their scope has cost of late."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from costs.forecast import (
    FEWEST_DAYS,
    LOOKS_BACK_DAYS,
    Forecast,
    at_this_pace,
    forecast,
)
from costs.selectors import Slice, spend_by
from costs.sources import DimensionsApart
from devora_ops.common.models import Team

SCOPE: Final = {
    "team": "team",
    "agent": "agent",
    "user": "end_user",
    "model": "model",
    "prompt": "prompt",
    "experiment": "experiment",
}
_MOST_ROWS: Final = 10_000  # days × teams


class Scoped(Protocol):
    """What has a budget's scope, in the columns that SCOPE names, and its zone."""

    @property
    def time_zone(self) -> str:
        """Where its periods begin."""


def scope_of(budget: Scoped) -> Mapping[str, Any]:
    """Return what a budget covers, as a Slice's where."""
    named = {name: getattr(budget, column) for name, column in SCOPE.items()}
    return {name: value for name, value in named.items() if value}


def by_day(
    where: Mapping[str, Any], *, zone: ZoneInfo, now: dt.datetime
) -> Mapping[dt.date, Decimal]:
    """Return what each of the last days cost, without the demo unless it is asked for.

    Raises DimensionsApart where no sums reach that far back.
    """
    midnight = now.astimezone(zone).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    part = Slice(midnight - dt.timedelta(LOOKS_BACK_DAYS), now, where)
    demo = set(Team.objects.filter(is_demo=True).values_list("slug", flat=True))
    days: defaultdict[dt.date, Decimal] = defaultdict(Decimal)
    for row in spend_by(("day", "team"), part, zone=zone, limit=_MOST_ROWS):
        if row.keys["team"] not in demo or "team" in where:
            days[row.keys["day"].date()] += row.cost_usd
    return days


def budget_forecast(
    budget: Scoped, *, spent: Decimal, ends: dt.datetime | None, now: dt.datetime
) -> Forecast | None:
    """Return what a budget's running period comes to.

    None for one that never ends, too early to tell, or where its scope has no sums.
    """
    if ends is None:
        return None
    try:
        return _by_weekdays(budget, spent, ends, now)
    except DimensionsApart:
        return None


def projected(
    budget: Scoped,
    *,
    spent: Decimal,
    starts: dt.datetime,
    ends: dt.datetime | None,
    now: dt.datetime,
) -> Decimal | None:
    """Return what a budget's period comes to, for an alert; None where nobody can tell.

    It is what the pages say. Where a scope has no sums they say nothing; an alert then
    goes by the plain pace, for its counter is known all the same.
    """
    if ends is None or now >= ends:
        return None
    try:
        said = _by_weekdays(budget, spent, ends, now)
    except DimensionsApart:
        if now - starts < dt.timedelta(FEWEST_DAYS):
            return None
        return at_this_pace(spent, (now - starts) / (ends - starts))
    return None if said is None else said.usd


def _by_weekdays(
    budget: Scoped, spent: Decimal, ends: dt.datetime, now: dt.datetime
) -> Forecast | None:
    zone = ZoneInfo(budget.time_zone)
    days = by_day(scope_of(budget), zone=zone, now=now)
    return forecast(
        spent,
        days,
        today=now.astimezone(zone).date(),
        passed=part_of_day(now, zone),
        ends=ends.astimezone(zone).date(),
    )


def part_of_day(now: dt.datetime, zone: ZoneInfo) -> float:
    """Return how much of a local day is over, 0 to 1; some days have 23 or 25 hours."""
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    ends = (midnight + dt.timedelta(1)).replace(hour=0)
    whole = ends.timestamp() - midnight.timestamp()
    return (now.timestamp() - midnight.timestamp()) / whole
