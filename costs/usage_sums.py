"""The usage of many attempts in one row, and what it costs.

Within a context tier a cost is linear in its tokens, so the price of the sums is the sum
of the prices, exactly: one pass of Postgres over the facts answers for all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from psycopg import sql

from costs.pricing import Price, Rates, Usage

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

# An attempt of which nobody knows what it used stays at the worst case it was charged.
USED: Final = sql.SQL(
    "(a.state <> 'unknown' AND (a.input_tokens > 0 OR a.output_tokens > 0))"
)

MOST_TOKENS: Final = 2**31 - 1  # what the column of tokens holds

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
_SUMS: Final = (
    "sum(a.input_tokens), sum(a.cache_read_tokens), sum(a.cache_write_tokens), {long}, "
    "sum(a.output_tokens), {searches}"
)


@dataclass(frozen=True, slots=True)
class UsageSums:
    """The sums of attempts whose price is the same."""

    input: int
    read: int
    written: int
    written_1h: int
    output: int
    searches: int

    def cost(self, price: Price, rates: Rates, *, attempts: int) -> Decimal:
        """Return what so many attempts cost. rates: those of the price for their size."""
        usage = Usage(
            input=self.input - self.read - self.written,
            cache_read=self.read,
            cache_write_5m=self.written - self.written_1h,
            cache_write_1h=self.written_1h,
            output=self.output,
        )
        fees = self.searches * price.web_search + attempts * price.per_request
        return rates.cost(usage) + fees


def limit_time(cursor: Any) -> None:
    """Let no statement of the running transaction take longer than a what-if may."""
    milliseconds = str(round(settings.WHAT_IF_TIMEOUT_S * 1000))
    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])


def sums(prices: Iterable[Price]) -> sql.Composed:
    """Return the columns of UsageSums over attempts `a`, as far as prices go by them.

    Reading a usage takes as long as all the rest, so only what has a price is read.
    """
    prices = list(prices)
    return sql.SQL(_SUMS).format(
        long=sql.SQL(_LONG if any(map(_has_hour, prices)) else "0"),
        searches=sql.SQL(
            _SEARCHES if any(price.web_search for price in prices) else "0"
        ),
    )


def matching(where: Mapping[str, Any]) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the condition that rows `a` match dimensions, and its parameters."""
    conditions = [
        sql.SQL("{} = {}").format(
            sql.Identifier("a", COLUMNS[name]), sql.Placeholder(f"where_{name}")
        )
        for name in where
    ]
    values = {f"where_{name}": value for name, value in where.items()}
    return sql.SQL(" AND ").join([sql.SQL("true"), *conditions]), values


def _has_hour(price: Price) -> bool:
    tiers = (rates for _above, rates in price.standard.tiers)
    every = (price.standard.base, *tiers)
    return any(rates.cache_write_1h is not None for rates in every)
