"""What an hour usually costs, and from when on it is unusual. Pure.

The same hour of past weeks is what an hour is compared to, by its median and the median
distance from it, which one odd week does not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Final

WEEKS: Final = 8
FEWEST_WEEKS: Final = 3
_TIMES: Final = 3
LEAST_USD: Final = Decimal(1)  # above the usual; less is nobody's business at night
# Six standard deviations, were the weeks normal: 1.4826 median distances are one.
_DISTANCES: Final = Decimal("8.9")


@dataclass(frozen=True, slots=True)
class Usual:
    """What an hour costs in USD as a rule, and at most before somebody is told."""

    usd: Decimal
    most: Decimal


def usual(weeks: Sequence[Decimal]) -> Usual | None:
    """Return what the same hour of past weeks says; None with less than FEWEST_WEEKS."""
    if len(weeks) < FEWEST_WEEKS:
        return None
    middle = median(weeks)
    distance = median(abs(week - middle) for week in weeks)
    most = max(middle * _TIMES, middle + distance * _DISTANCES, middle + LEAST_USD)
    return Usual(middle, most)
