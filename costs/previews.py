"""What a budget would have done to last month's traffic, read from the rollups."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from costs.models import Budget, BudgetPeriod
from costs.replay import Bucket, Replayed, Rules, Touched, replay
from costs.sources import DimensionsApart, Source, source_of
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.time_zones import time_zone

# The dimension of the sources that each column of a scope is.
_DIMENSIONS: Final = {
    "team": "team",
    "agent": "agent",
    "end_user": "user",
    "model": "model",
    "prompt": "prompt",
    "experiment": "experiment",
}
# A demo's spend is nobody's, but in budgets of its own team. Calls that asked nobody
# cost nothing, and no step but a rate limit would do anything to them.
_TRAFFIC = """
SELECT greatest(costs_period_start(%(period)s, %(zone)s, bucket), %(start)s), bucket,
       coalesce(sum(calls) FILTER (WHERE status IN ('ok', 'error', 'timeout')), 0)::bigint,
       coalesce(sum(cost_usd), 0)
FROM {rows}
WHERE bucket >= %(start)s AND bucket < %(end)s AND {conditions}
  AND (team = %(team)s OR team NOT IN (SELECT slug FROM ops_team WHERE is_demo))
GROUP BY 1, 2 ORDER BY 2
"""


@dataclass(frozen=True, slots=True)
class Preview:
    """A budget over traffic that has been; end is exclusive."""

    start: dt.datetime
    end: dt.datetime
    calls: int
    cost_usd: Decimal
    periods: Sequence[Replayed]

    @property
    def routed_down(self) -> Touched:
        """The calls that would have gone to a cheaper route."""
        return sum((each.routed_down for each in self.periods), Touched())

    @property
    def cache_only(self) -> Touched:
        """The calls that only the cache could have answered."""
        return sum((each.cache_only for each in self.periods), Touched())

    @property
    def refused(self) -> Touched:
        """The calls that would have been refused at the limit."""
        return sum((each.refused for each in self.periods), Touched())

    def share(self, touched: Touched) -> float:
        """Return which part of all calls some are, 0 to 1."""
        return touched.calls / self.calls if self.calls else 0.0


def preview_of(budget: Budget, *, now: dt.datetime) -> Preview:
    """Return what a budget, stored or not, would have done last month.

    The month is the calendar's, in the budget's zone; while nobody called in it, the
    running one. Longer periods are taken to begin with it. Raises InvalidRequest where
    no sums are kept of what the budget covers.
    """
    zone = time_zone(budget.time_zone)
    this_month = _first_of_month(now, zone)
    last_month = _first_of_month(this_month - dt.timedelta(days=1), zone)
    for start, end in ((last_month, this_month), (this_month, now)):
        traffic = _traffic(budget, _begun(budget.period, start), end)
        if any(bucket.start >= start for bucket in traffic):
            break
    rules = Rules(
        budget.limit_usd,
        budget.hard,
        budget.alert_steps,
        budget.route_down_at,
        budget.cache_only_at,
    )
    return Preview(
        traffic[0].start if traffic and traffic[0].start < start else start,
        end,
        sum(bucket.calls for bucket in traffic),
        sum((bucket.cost_usd for bucket in traffic), Decimal(0)),
        replay(traffic, rules),
    )


def _first_of_month(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    local = moment.astimezone(zone)
    return dt.datetime(local.year, local.month, 1, tzinfo=zone)


def _begun(period: str, month: dt.datetime) -> dt.datetime:
    """Return where a month's replay begins: a week that runs into it is replayed whole."""
    if period != BudgetPeriod.WEEK:
        return month
    return month - dt.timedelta(days=month.weekday())


def _traffic(budget: Budget, start: dt.datetime, end: dt.datetime) -> list[Bucket]:
    named = {
        dimension: value
        for column, dimension in _DIMENSIONS.items()
        if (value := getattr(budget, column))
    }
    source = _source(named, start)
    conditions = [
        sql.SQL("{} = {}").format(source.columns[name], sql.Placeholder(f"by_{name}"))
        for name in named
    ]
    query = sql.SQL(_TRAFFIC).format(
        rows=source.rows,
        conditions=sql.SQL(" AND ").join([*conditions, sql.SQL("true")]),
    )
    values = {f"by_{name}": value for name, value in named.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            {
                **values,
                "period": budget.period,
                "zone": budget.time_zone,
                "team": budget.team,
                "start": start,
                "end": end,
            },
        )
        return [Bucket(*row) for row in cursor.fetchall()]


def _source(named: dict[str, str], start: dt.datetime) -> Source:
    try:
        return source_of(named, start=start)
    except DimensionsApart as error:
        raise InvalidRequest(
            _(
                "No month's sums are kept of experiments, nor of users together with "
                "prompts: this budget cannot be previewed."
            ),
            code="preview_unavailable",
            param="scope",
        ) from error
