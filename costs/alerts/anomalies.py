"""Hours that cost far more than the same hour of past weeks, of all and of each agent."""

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from costs.alerts.crossings import tell
from costs.alerts.unusual import LEAST_USD, WEEKS, Usual, usual
from costs.models import Alert, AlertKind, AlertMute

log = logging.getLogger("[CostTracker]")

ALL: Final = ""  # where an agent's name stands: everything together
# One that goes on is the same one.
_GOES_ON: Final = dt.timedelta(hours=6)
_HIGHEST_STEP: Final = 32_767
_LOCK: Final = 0x616E6F6D

# The running hour, and the one before, in which calls may have settled late.
_HOURS = """
WITH slots AS (
    SELECT hour, week, hour - make_interval(weeks => week) AS at
    FROM (SELECT date_trunc('hour', now(), 'UTC') - make_interval(hours => back) AS hour
          FROM generate_series(0, 1) AS back) AS hours,
         generate_series(0, %(weeks)s) AS week
)
SELECT s.hour, s.week, r.agent, sum(r.cost_usd)
FROM slots AS s
JOIN costs_rollup_work AS r ON r.bucket >= s.at AND r.bucket < s.at + interval '1 hour'
WHERE NOT EXISTS (SELECT 1 FROM ops_team AS t WHERE t.slug = r.team AND t.is_demo)
GROUP BY s.hour, s.week, r.agent
"""
_FIRST = """
SELECT bucket FROM costs_rollup_work AS r
WHERE cost_usd > 0 AND (%(agent)s = '' OR agent = %(agent)s)
  AND NOT EXISTS (SELECT 1 FROM ops_team AS t WHERE t.slug = r.team AND t.is_demo)
ORDER BY bucket LIMIT 1
"""

Weeks = Mapping[int, Decimal]  # by how many weeks ago


@dataclass(frozen=True, slots=True)
class Unusual:
    """An hour of an agent, or of ALL, that cost more than it may pass for."""

    agent: str
    hour: dt.datetime
    usd: Decimal
    usual: Usual

    @property
    def excess(self) -> Decimal:
        """What it cost beyond the usual."""
        return self.usd - self.usual.usd


@transaction.atomic
def notice_anomalies() -> list[Alert]:
    """Write down the hours that are unusual, and leave word for the Owners."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:  # somebody else looks just now
            return []
    alerts = [_written(each) for each in _found() if not _goes_on(each)]
    muted = set(
        AlertMute.objects.filter(until__gt=timezone.now()).values_list(
            "agent", flat=True
        )
    )
    for alert in alerts:
        log.warning("unusual spend of %s", alert.agent or "all agents")
        if alert.agent not in muted:
            tell(alert)
    return alerts


def _found() -> Iterator[Unusual]:
    for hour, agents in _hours().items():
        odd = [
            each for agent in agents if (each := _judged(agent, hour, agents[agent]))
        ]
        own = [each for each in odd if each.agent != ALL]
        yield from own
        explained = sum((each.excess for each in own), Decimal(0))
        yield from (
            each for each in odd if each.agent == ALL and explained < each.excess / 2
        )


def _hours() -> Mapping[dt.datetime, Mapping[str, Weeks]]:
    """Return what each hour cost by agent, ALL among them, now and in past weeks."""
    hours: dict[dt.datetime, dict[str, dict[int, Decimal]]] = {}
    for hour, week, agent, usd in _rows(_HOURS, {"weeks": WEEKS}):
        agents = hours.setdefault(hour, {})
        for name in {agent, ALL}:
            costs = agents.setdefault(name, {})
            costs[week] = costs.get(week, Decimal(0)) + usd
    return hours


def _judged(agent: str, hour: dt.datetime, weeks: Weeks) -> Unusual | None:
    usd = weeks.get(0, Decimal(0))
    if usd <= LEAST_USD:
        return None
    ((first,),) = _rows(_FIRST, {"agent": agent})
    since = first.replace(minute=0)  # an hour that began without it counts too
    known = [
        weeks.get(week, Decimal(0))
        for week in range(1, WEEKS + 1)
        if hour - dt.timedelta(weeks=week) >= since
    ]
    said = usual(known)
    return Unusual(agent, hour, usd, said) if said and usd > said.most else None


def _goes_on(one: Unusual) -> bool:
    return Alert.objects.filter(
        kind=AlertKind.ANOMALY,
        agent=one.agent,
        period_start__gt=one.hour - _GOES_ON,
        period_start__lte=one.hour,
    ).exists()


def _written(one: Unusual) -> Alert:
    times = one.usd / one.usual.usd * 100 if one.usual.usd else _HIGHEST_STEP
    return Alert.objects.create(
        name=one.agent[:100],
        agent=one.agent,
        kind=AlertKind.ANOMALY,
        step=min(_HIGHEST_STEP, int(times)),
        period_start=one.hour,
        period_end=one.hour + dt.timedelta(hours=1),
        limit_usd=one.usual.most,
        spent_usd=one.usd,
        usual_usd=one.usual.usd,
        crossed_at=timezone.now(),
    )


def _rows(query: str, values: Mapping[str, Any]) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Any] = cursor.fetchall()
        return rows
