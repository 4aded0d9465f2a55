"""Reads about the price book: its age, its holes, and how far it is from the bills."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from costs.price_age import NEWEST, Age, ages, newest_values

LATELY: Final = dt.timedelta(days=30)
# Our prices and a bill differ by rounding and by routing among providers as it is.
BEYOND_PERCENT: Final = Decimal(1)

_UNPRICED = """
SELECT called.model, called.attempts, called.last,
    EXISTS (SELECT FROM costs_price AS p
            WHERE p.model = called.model AND p.valid_from <= now())
FROM (
    SELECT model, sum(unpriced)::bigint AS attempts, max(bucket) AS last
    FROM costs_rollup_work WHERE bucket >= %(since)s AND unpriced > 0 GROUP BY model
) AS called
ORDER BY 2 DESC, 1 LIMIT 200
"""

_DRIFT = """
SELECT model, count(*), sum(cost_usd), sum(book_usd) FROM costs_attempt
WHERE id >= ops_first_uuid7_at(%(since)s) AND book_usd IS NOT NULL
GROUP BY model ORDER BY abs(sum(cost_usd) - sum(book_usd)) DESC, 1 LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model that was called while it had no price, so nobody knows what it cost.

    attempts: that have no cost. last_called_at: to the quarter of an hour. priced_now:
    it has a price today, for calls to come.
    """

    model: str
    attempts: int
    last_called_at: dt.datetime
    priced_now: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What a provider billed for a model, and what our prices say of the same calls."""

    model: str
    attempts: int
    billed_usd: Decimal
    book_usd: Decimal

    @property
    def percent(self) -> Decimal | None:
        """Return by how much the bills exceed our prices; None where those are $0."""
        if not self.book_usd:
            return None
        return ((self.billed_usd / self.book_usd - 1) * 100).quantize(Decimal("0.01"))

    @property
    def is_beyond(self) -> bool:
        """Say whether our price is off by more than people should put up with."""
        far = BEYOND_PERCENT * self.book_usd / 100
        return abs(self.billed_usd - self.book_usd) > far


def price_ages() -> list[Age]:
    """Return how old each provider's newest price is, oldest first."""
    return ages(_rows(NEWEST, newest_values()))


def unpriced_models() -> list[Unpriced]:
    """Return the models called without a price of late, most attempts first."""
    return [Unpriced(*row) for row in _rows(_UNPRICED, _since())]


def price_drift() -> list[Drift]:
    """Return bills beside our prices of late, by model, furthest apart first."""
    return [Drift(*row) for row in _rows(_DRIFT, _since())]


def _since() -> dict[str, dt.datetime]:
    return {"since": timezone.now() - LATELY}


def _rows(query: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
