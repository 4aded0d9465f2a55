"""What the same usage would have cost at other prices.

One pass over the facts sums tokens by model and context tier: within a tier a cost is
linear in its tokens, so the price of the sums is the sum of the prices, exactly.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from psycopg import sql

from costs.pricing import Price, Usage, round_usd
from devora_ops.common.ids import first_uuid7_at

# dimension → its column in the attempts.
COLUMNS: Final[Mapping[str, str]] = {
    "team": "team",
    "agent": "agent",
    "user": "end_user",
    "key": "key",
    "provider": "provider",
    "model": "model",
    "prompt": "prompt",
    "prompt_version": "prompt_version",
    "experiment": "experiment",
    "variant": "variant",
}

# Ten million attempts are read in half of it.
_TIMEOUT: Final = "SET LOCAL statement_timeout = '60s'"

_MOST_TOKENS: Final = 2**31 - 1  # what the column of tokens holds

# Writes for an hour and searches have no column: providers tell them in their usage. What
# is no count there counts as nothing, and no part exceeds its whole.
_TOLD = (
    "sum(CASE WHEN {when} AND jsonb_typeof({value}) = 'number'"
    " THEN least(greatest(({value})::numeric, 0), {most})::int ELSE 0 END)"
)
_LONG: Final = _TOLD.format(
    when="a.cache_write_tokens > 0",
    value="a.raw_usage -> 'cache_creation' -> 'ephemeral_1h_input_tokens'",
    most="a.cache_write_tokens",
)
_SEARCHES: Final = _TOLD.format(
    when="true",
    value="a.raw_usage -> 'server_tool_use' -> 'web_search_requests'",
    most="1000000",
)

# An attempt of which nobody knows what it used stays at the worst case it was charged.
_SUMS = """
SELECT a.model, coalesce(width_bucket(a.input_tokens, w.thresholds), 0),
    a.state <> 'unknown' AND (a.input_tokens > 0 OR a.output_tokens > 0),
    count(*), count(*) - count(a.cost_usd), coalesce(sum(a.cost_usd), 0),
    sum(a.input_tokens), sum(a.cache_read_tokens), sum(a.cache_write_tokens), {long},
    sum(a.output_tokens), {searches}
FROM costs_attempt AS a
LEFT JOIN (
    SELECT model, thresholds::int[] AS thresholds
    FROM unnest(%(models)s::text[], %(thresholds)s::text[]) AS u(model, thresholds)
) AS w ON w.model = a.model
WHERE a.id >= %(first)s AND a.id < %(last)s AND {conditions}
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Comparison:
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

    @property
    def difference_usd(self) -> Decimal:
        """Return what the other price would have added."""
        return self.what_if_usd - self.actual_usd

    @property
    def percent(self) -> Decimal | None:
        """Return the difference in percent of what it cost; None of $0."""
        if not self.actual_usd:
            return None
        share = self.difference_usd / self.actual_usd * 100
        return share.quantize(Decimal("0.01"))


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
        groups[row[0]].append(_Group(*row[1:]))
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
    input: int
    read: int
    written: int
    written_1h: int
    output: int
    searches: int

    def cost(self, price: Price) -> Decimal:
        if not self.used:
            return self.actual_usd
        schedule = price.standard
        rates = schedule.tiers[self.tier - 1][1] if self.tier else schedule.base
        usage = Usage(
            input=self.input - self.read - self.written,
            cache_read=self.read,
            cache_write_5m=self.written - self.written_1h,
            cache_write_1h=self.written_1h,
            output=self.output,
        )
        fees = self.searches * price.web_search + self.attempts * price.per_request
        return rates.cost(usage) + fees


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
    conditions: list[sql.Composable] = [
        sql.SQL("{} = {}").format(
            sql.Identifier("a", COLUMNS[name]), sql.Placeholder(f"where_{name}")
        )
        for name in where
    ]
    # Reading a usage takes as long as all the rest, so only what has a price is read.
    long = any(_has_hour(price) for price in prices.values())
    searches = any(price.web_search for price in prices.values())
    query = sql.SQL(_SUMS).format(
        long=sql.SQL(_LONG if long else "0"),
        searches=sql.SQL(_SEARCHES if searches else "0"),
        conditions=sql.SQL(" AND ").join(conditions or [sql.SQL("true")]),
    )
    values = {
        "models": list(prices),
        "thresholds": [_thresholds(price) for price in prices.values()],
        "first": first_uuid7_at(start),
        "last": first_uuid7_at(end),
        **{f"where_{name}": value for name, value in where.items()},
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TIMEOUT)
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _has_hour(price: Price) -> bool:
    tiers = (rates for _above, rates in price.standard.tiers)
    every = (price.standard.base, *tiers)
    return any(rates.cache_write_1h is not None for rates in every)


def _thresholds(price: Price) -> str:
    """Return where each tier begins: one token above its threshold."""
    begins = (
        str(max(0, min(above + 1, _MOST_TOKENS)))
        for above, _rates in price.standard.tiers
    )
    return "{" + ",".join(begins) + "}"
