"""What the same usage would have cost at other prices.

One pass over the facts sums tokens by model and context tier: within a tier a cost is
linear in its tokens, so the price of the sums is the sum of the prices, exactly.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from costs.differences import WithDifference
from costs.pricing import Price, round_usd
from costs.usage_sums import MOST_TOKENS, USED, UsageSums, limit_time, matching, sums
from devora_ops.common.ids import first_uuid7_at

_SUMS = """
SELECT a.model, coalesce(width_bucket(a.input_tokens, w.thresholds), 0), {used},
    count(*), count(*) - count(a.cost_usd), coalesce(sum(a.cost_usd), 0), {sums}
FROM costs_attempt AS a
LEFT JOIN (
    SELECT model, thresholds::int[] AS thresholds
    FROM unnest(%(models)s::text[], %(thresholds)s::text[]) AS u(model, thresholds)
) AS w ON w.model = a.model
WHERE a.id >= %(first)s AND a.id < %(last)s AND {conditions}
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Comparison(WithDifference):
    """A model's usage at what it cost and at another price.

    unpriced: attempts whose actual cost nobody knows; the other price has one for them.
    repriced: whether another price was given; else what_if_usd is what it cost.
    """

    model: str
    attempts: int
    unpriced: int
    actual_usd: Decimal
    what_if_usd: Decimal
    repriced: bool


def what_if(
    prices: Mapping[str, Price],
    *,
    start: dt.datetime,
    end: dt.datetime,
    where: Mapping[str, Any],
) -> list[Comparison]:
    """Return each model's comparison, dearest first.

    prices: model → the price to try. where: dimension → value, of COLUMNS. start and end
    (exclusive): when attempts began.
    """
    groups: defaultdict[str, list[_Group]] = defaultdict(list)
    for row in _rows(prices, start, end, where):
        groups[row[0]].append(_Group.of(row[1:]))
    found = [_compared(m, mine, prices.get(m)) for m, mine in groups.items()]
    return sorted(found, key=lambda each: (-each.actual_usd, each.model))


def total_of(rows: Iterable[Comparison]) -> Comparison:
    """Return the sum of comparisons."""
    rows = list(rows)
    return Comparison(
        model="",
        attempts=sum(row.attempts for row in rows),
        unpriced=sum(row.unpriced for row in rows),
        actual_usd=sum((row.actual_usd for row in rows), Decimal(0)),
        what_if_usd=sum((row.what_if_usd for row in rows), Decimal(0)),
        repriced=any(row.repriced for row in rows),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """The sums of a model within one context tier. used: whether its usage is known."""

    tier: int
    used: bool
    attempts: int
    unpriced: int
    actual_usd: Decimal
    usage: UsageSums

    @classmethod
    def of(cls, row: Sequence[Any]) -> "_Group":
        tier, used, attempts, unpriced, actual, *usage = row
        return cls(tier, used, attempts, unpriced, actual, UsageSums(*usage))

    def cost(self, price: Price) -> Decimal:
        if not self.used:
            return self.actual_usd
        schedule = price.standard
        rates = schedule.tiers[self.tier - 1][1] if self.tier else schedule.base
        return self.usage.cost(price, rates, attempts=self.attempts)


def _compared(model: str, groups: Sequence[_Group], price: Price | None) -> Comparison:
    actual = sum((each.actual_usd for each in groups), Decimal(0))
    tried = actual
    if price is not None:
        tried = round_usd(sum((each.cost(price) for each in groups), Decimal(0)))
    return Comparison(
        model=model,
        attempts=sum(each.attempts for each in groups),
        unpriced=sum(each.unpriced for each in groups),
        actual_usd=actual,
        what_if_usd=tried,
        repriced=price is not None,
    )


def _rows(
    prices: Mapping[str, Price],
    start: dt.datetime,
    end: dt.datetime,
    where: Mapping[str, Any],
) -> list[Any]:
    conditions, named = matching(where)
    query = sql.SQL(_SUMS).format(
        used=USED, sums=sums(prices.values()), conditions=conditions
    )
    values = {
        "models": list(prices),
        "thresholds": [_thresholds(price) for price in prices.values()],
        "first": first_uuid7_at(start),
        "last": first_uuid7_at(end),
        **named,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        limit_time(cursor)
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _thresholds(price: Price) -> str:
    """Return where each tier begins: one token above its threshold."""
    begins = (
        str(max(0, min(above + 1, MOST_TOKENS)))
        for above, _rates in price.standard.tiers
    )
    return "{" + ",".join(begins) + "}"
