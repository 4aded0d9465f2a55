"""What an attempt is charged: by the price book, or by the bill that its usage tells. Pure.

A bill is the truth where a provider tells one, within reason; the book's cost stands
beside it, and takes its place where it is none.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from costs.facts import Anomaly
from costs.pricing import round_usd
from llm.providers.openrouter import Bill

# A stale price, a fee for a plug-in or an image: a bill may well exceed the worst case of
# the tokens. A thousand dollars a million tokens is more than any model has cost.
_TIMES: Final = 10
_FEES: Final = Decimal(1)
_DEAREST_TOKEN: Final = Decimal("0.001")
# The book is wrong by more than what routing among OpenRouter's providers explains.
_FAR: Final = Decimal("0.25")
_ROUNDING: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Charge:
    """cost_usd: in nine places; None when neither the book nor a bill knows.

    book_usd: what the book says of a bill that is believed. estimated: a bill was to be
    expected, and the book stands in for it.
    """

    cost_usd: Decimal | None
    book_usd: Decimal | None = None
    estimated: bool = False
    anomaly: Anomaly = ""


def most_charged(worst_case: Decimal | None, tokens: int) -> Decimal:
    """Return the most that a provider is believed to charge for a request.

    worst_case: by the price book, None without a price; tokens: what can go in and come
    out together.
    """
    if worst_case is None:
        return tokens * _DEAREST_TOKEN + _FEES
    return _TIMES * worst_case + _FEES


def charge(bill: Bill, *, book: Decimal | None, most: Decimal) -> Charge:
    """Weigh what a provider says that it charges against what the book says."""
    told, anomaly = bill
    if told is not None and told > most:
        told, anomaly = None, "bill_above_bounds"
    if told is None:
        return Charge(book, estimated=bool(anomaly), anomaly=anomaly)
    cost = round_usd(told)
    far = book is not None and _far_apart(cost, book)
    return Charge(cost, book, anomaly="bill_differs" if far else "")


def _far_apart(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) > max(_ROUNDING, _FAR * max(one, other))
