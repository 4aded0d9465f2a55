"""How much of the facts is read to answer a question, and what that says of all. Pure.

What is drawn is decided by a hash, so that the same question has the same answer. Its
unit is what belongs together (a call with its retries, all calls of one request), and
the number that is drawn is left to the hash: given that number, the draw is a simple
random one. The estimate is a ratio: what the drawn ones would have cost for each dollar
that they did cost, times what all did cost. Its variance comes from the spread between
random groups of the drawn ones, with the finite population correction. What is drawn
apart (strata) is estimated apart; values and variances add.
Source: Cochran, Sampling Techniques, 3rd ed., 6.3 (ratio), 2.6 (correction) and 6.10
(separate ratios of strata); Wolter, Introduction to Variance Estimation, 2nd ed., 2.4
(random groups).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from math import ceil, sqrt
from typing import Final

MOST_ROWS: Final = 1_000_000
GROUPS: Final = 128  # a power of two: the group is the last bits of a hash
PART_BITS: Final = 12  # the part is the first bits of a hash, in its order
PARTS: Final = 2**PART_BITS
_HASHES: Final = 2**64
_LEAST_HASH: Final = -(2**63)
_ZERO: Final = Decimal(0)
# By the powers of 1 / degrees of freedom.
_STUDENT: Final = tuple(map(Decimal, ("1.960", "2.372", "2.823", "2.556", "1.59")))


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


def rooms(most: int, one: int, other: int) -> tuple[int, int]:
    """Return how many rows two strata of so many get: a half, or what the other leaves."""
    half = most // 2
    return max(half, most - other), max(half, most - one)


def draw_units(sizes: Mapping[int, int], most: int) -> Draw:
    """Return the draw of units that have many rows each: at most so many rows.

    sizes: part → its rows. How many parts are drawn goes by how their sizes spread, with
    four deviations of room; going by which ones come first would leave large units out
    for being large. It is done only where the room was not enough, once in thousands.
    """
    whole = sum(sizes.values())
    if whole <= most:
        return Draw()
    spread = sum(size**2 for size in sizes.values()) - whole**2 / PARTS

    def at_most(parts: int) -> int:
        share = parts / PARTS
        return ceil(share * whole + 4 * sqrt(share * (1 - share) * max(spread, 0)))

    # Concave and above `most` in the end, so it exceeds it from one number on.
    likely = bisect_right(range(PARTS), most, key=at_most) - 1
    drawn = accumulate(sizes.get(part, 0) for part in range(likely))
    return Draw(Decimal(bisect_right(list(drawn), most)) / PARTS)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value of the whole population and the ends of its 95 % interval."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Expanded(Estimate):
    """An estimate from a part. scale: how many times the part's value it is."""

    scale: Decimal


def exactly(value: Decimal) -> Expanded:
    """Return the estimate of who has read everything."""
    return Expanded(value, value, value, Decimal(1))


def added(*strata: Estimate) -> Estimate:
    """Return the estimate of the sum of what was drawn apart."""
    value = sum((each.value for each in strata), _ZERO)
    squares = sum(((each.high - each.value) ** 2 for each in strata), _ZERO)
    # What was read whole keeps the low end up.
    least = sum((each.low for each in strata), _ZERO)
    half = squares.sqrt()
    return Estimate(value, max(least, value - half), value + half)


def estimated(
    drawn: Draw, groups: Mapping[int, tuple[Decimal, Decimal]], *, known: Decimal
) -> Expanded:
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
        squares = [(b - y / x * a) ** 2 for a, b in groups.values()]
    else:
        scale = 1 / drawn.share if y else _ZERO
        squares = [(b - y / GROUPS) ** 2 for _, b in groups.values()]
        squares += [(y / GROUPS) ** 2] * (GROUPS - len(groups))
    variance = (1 - drawn.share) * sum(squares, _ZERO) * GROUPS / (GROUPS - 1)
    freedom = min(_freedom(squares), Decimal(len(groups) - 1))
    half = _student(freedom) * scale * variance.sqrt()
    return Expanded(scale * y, max(_ZERO, scale * y - half), scale * y + half, scale)


def _freedom(squares: Sequence[Decimal]) -> Decimal:
    """Return of how many degrees of freedom the sum of the groups' squares is.

    All of the groups where they spread evenly; less where a few large units decide.
    Source: Satterthwaite, An Approximate Distribution of Estimates of Variance
    Components, 1946: twice the square of a variance by its own variance.
    """
    total = sum(squares, _ZERO)
    spread = sum((each**2 for each in squares), _ZERO) - total**2 / GROUPS
    return 2 * total**2 / spread if spread > 0 else Decimal(GROUPS)


def _student(freedom: Decimal) -> Decimal:
    """Return the two-sided 95 % point of Student's t, one in a hundred off from 2 on.

    Source: Abramowitz and Stegun, 26.7.5.
    """
    each = 1 / max(Decimal(1), freedom)
    found = _ZERO
    for term in reversed(_STUDENT):
        found = found * each + term
    return found
