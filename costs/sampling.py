"""How much of the facts is read to answer a question, and what that says of all. Pure.

What is drawn is decided by a hash, so that the same question has the same answer. Its
unit is what belongs together (a call with its retries, all calls of one request), and
the number that is drawn is left to the hash: given that number, the draw is a simple
random one. The estimate is a ratio: what the drawn ones would have cost for each dollar
that they did cost, times what all did cost. Its variance comes from the spread between
random groups of the drawn ones, with the finite population correction.
Source: Cochran, Sampling Techniques, 3rd ed., 6.3 (ratio) and 2.6 (correction); Wolter,
Introduction to Variance Estimation, 2nd ed., 2.4 (random groups).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Final

MOST_ROWS: Final = 1_000_000
GROUPS: Final = 128  # a power of two: the group is the last bits of a hash
# Two-sided 95 % of Student's t with 127 degrees of freedom, those of the groups.
_T: Final = Decimal("1.979")
_HASHES: Final = 2**64
_LEAST_HASH: Final = -(2**63)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Draw:
    """Which part of a population is read. share: 1 is all of it."""

    share: Decimal = Decimal(1)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.share >= 1

    @property
    def below(self) -> int:
        """The signed hash of 64 bits that a unit must stay below to be drawn."""
        return _LEAST_HASH + int(self.share * _HASHES)


def draw(population: int, most: int = MOST_ROWS) -> Draw:
    """Return the part of a population of rows that is at most so many rows.

    The number drawn varies around its mean by its root, hence four roots of room.
    """
    if population <= most:
        return Draw()
    mean = max(1, most - int(4 * sqrt(most)))
    return Draw(Decimal(mean) / population)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value of the whole population and the ends of its 95 % interval.

    scale: how many times the drawn ones' value it is.
    """

    value: Decimal
    low: Decimal
    high: Decimal
    scale: Decimal

    def plus(self, certain: Decimal) -> "Estimate":
        """Return it with what is known without doubt added."""
        return Estimate(
            self.value + certain, self.low + certain, self.high + certain, self.scale
        )


def exactly(value: Decimal) -> Estimate:
    """Return the estimate of who has read everything."""
    return Estimate(value, value, value, Decimal(1))


def estimated(
    drawn: Draw, groups: Mapping[int, tuple[Decimal, Decimal]], *, known: Decimal
) -> Estimate:
    """Estimate a sum over the population from a part of it.

    groups: number of GROUPS → the sums over it of what is known of all (x) and of what is
    asked for (y). known: the sum of x over the population. Where x is nothing, the sum of
    y is expanded by the share that was drawn.
    """
    x = sum((each for each, _ in groups.values()), _ZERO)
    y = sum((each for _, each in groups.values()), _ZERO)
    if drawn.is_whole:
        return exactly(y)
    if x:
        scale = known / x
        spread = sum(((b - y / x * a) ** 2 for a, b in groups.values()), _ZERO)
    else:
        scale = 1 / drawn.share
        missing = GROUPS - len(groups)
        spread = sum(((b - y / GROUPS) ** 2 for _, b in groups.values()), _ZERO)
        spread += missing * (y / GROUPS) ** 2
    variance = (1 - drawn.share) * spread * GROUPS / (GROUPS - 1)
    half = _T * scale * variance.sqrt()
    return Estimate(scale * y, max(_ZERO, scale * y - half), scale * y + half, scale)
