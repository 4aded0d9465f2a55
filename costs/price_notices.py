"""What stands above the price book: old prices, models without one, and drift."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.core.cache import cache
from django.utils import timezone

from costs.price_watch import Drift, Unpriced, price_ages, price_drift, unpriced_models

# Bills are read from the facts of a month, which is not for every view of a page.
_KEPT_S: Final = 600
_MOST = 20


@dataclass(frozen=True, slots=True)
class Notices:
    """What is wrong with the book; all are empty when all is well.

    old: (provider, days) of prices to look after. late: models that were called before
    they had a price.
    """

    old: list[tuple[str, int]]
    unpriced: list[Unpriced]
    late: list[Unpriced]
    drift: list[Drift]


def notices() -> Notices:
    """Return what somebody should do about the price book."""
    now, unpriced = timezone.now(), unpriced_models()
    return Notices(
        old=[(a.provider, a.days(now)) for a in price_ages() if a.is_old(now)][:_MOST],
        unpriced=[each for each in unpriced if not each.priced_now][:_MOST],
        late=[each for each in unpriced if each.priced_now][:_MOST],
        drift=[each for each in _drift() if each.is_beyond][:_MOST],
    )


def _drift() -> list[Drift]:
    # As texts: the cache is JSON.
    rows: list[Any] = cache.get_or_set("costs.price_drift", _drift_rows, _KEPT_S) or []
    return [Drift(m, n, Decimal(billed), Decimal(book)) for m, n, billed, book in rows]


def _drift_rows() -> list[list[Any]]:
    return [
        [d.model, d.attempts, str(d.billed_usd), str(d.book_usd)] for d in price_drift()
    ]
