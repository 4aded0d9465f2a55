"""What a budget would have done to traffic that has been. Pure.

Sums of a quarter of an hour are replayed as so many calls of the same cost. A call that
is routed down counts with what it cost then, for what it costs elsewhere nobody knows
here; what is set aside for calls under way is not counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from math import ceil, floor
from typing import Final, Literal

Effect = Literal["warn", "route_down", "cache_only", "block"]
_PLACES: Final = 9


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls of a quarter of an hour that asked a provider, and what they cost.

    period: the beginning of the budget's period that they fall into.
    """

    period: datetime
    start: datetime
    calls: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Rules:
    """What a budget does at which percentages of its limit; None where it does not."""

    limit_usd: Decimal
    hard: bool
    warn_at: Sequence[int] = ()
    route_down_at: int | None = None
    cache_only_at: int | None = None

    def usd(self, percent: int) -> Fraction:
        """Return the amount that a percentage of the limit is."""
        return Fraction(self.limit_usd) * percent / 100


@dataclass(frozen=True, slots=True)
class Reached:
    """A step, and the quarter of an hour in which it was reached."""

    effect: Effect
    at: int
    when: datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """How many calls a step did something to, and what they cost."""

    calls: int = 0
    usd: Decimal = Decimal(0)

    def __add__(self, other: "Touched") -> "Touched":
        return Touched(self.calls + other.calls, self.usd + other.usd)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A period as it would have gone: what was let through, and what was not."""

    start: datetime
    spent_usd: Decimal
    steps: tuple[Reached, ...]
    routed_down: Touched
    cache_only: Touched
    refused: Touched


def replay(buckets: Iterable[Bucket], rules: Rules) -> list[Replayed]:
    """Return what a budget would have done, period by period.

    buckets: in the order of time.
    """
    return [
        _Period(rules, start).run(those)
        for start, those in groupby(buckets, key=lambda bucket: bucket.period)
    ]


@dataclass(slots=True)
class _Period:
    rules: Rules
    start: datetime
    spent: Fraction = Fraction(0)
    reached: dict[tuple[Effect, int], datetime] = field(default_factory=dict)
    touched: dict[Effect, Touched] = field(default_factory=dict)

    def run(self, buckets: Iterable[Bucket]) -> Replayed:
        for bucket in buckets:
            self._take(bucket)
        none = Touched()
        return Replayed(
            self.start,
            _usd(self.spent),
            tuple(Reached(*step, when) for step, when in self.reached.items()),
            self.touched.get("route_down", none),
            self.touched.get("cache_only", none),
            self.touched.get("block", none),
        )

    def _take(self, bucket: Bucket) -> None:
        # The calls of an attempt elsewhere are counted elsewhere: its money is one.
        units = bucket.calls or int(bucket.cost_usd > 0)
        if not units:
            return
        each = Fraction(bucket.cost_usd) / units
        rules = self.rules
        before_cache = self._until(rules.cache_only_at, each, units)
        fitting = self._fitting(each, units)
        passing = min(before_cache, fitting)
        routed = passing - min(passing, self._until(rules.route_down_at, each, units))
        stopper: Effect = "cache_only" if before_cache <= fitting else "block"
        self._touch("route_down", min(routed, bucket.calls), routed * each)
        stopped = units - passing
        self._touch(stopper, min(stopped, bucket.calls), stopped * each)
        self.spent += passing * each
        self._note(bucket.start, refused=bool(stopped) and stopper == "block")

    def _until(self, percent: int | None, each: Fraction, units: int) -> int:
        """Return how many calls begin before a step is reached."""
        if percent is None:
            return units
        left = self.rules.usd(percent) - self.spent
        if left <= 0:
            return 0
        return min(units, ceil(left / each)) if each else units

    def _fitting(self, each: Fraction, units: int) -> int:
        """Return how many calls fit below the limit, if anything depends on it."""
        if not self.rules.hard or not each:
            return units
        room = Fraction(self.rules.limit_usd) - self.spent
        return min(units, floor(room / each))

    def _touch(self, effect: Effect, calls: int, usd: Fraction) -> None:
        if calls or usd:
            known = self.touched.get(effect, Touched())
            self.touched[effect] = known + Touched(calls, _usd(usd))

    def _note(self, when: datetime, *, refused: bool) -> None:
        """Write down the steps that are reached now for the first time."""
        rules = self.rules
        steps: list[tuple[Effect, int]] = []
        if rules.limit_usd:
            steps += [("warn", at) for at in rules.warn_at]
        if rules.route_down_at is not None:
            steps.append(("route_down", rules.route_down_at))
        if rules.cache_only_at is not None:
            steps.append(("cache_only", rules.cache_only_at))
        for step in steps:
            if self.spent >= rules.usd(step[1]):
                self.reached.setdefault(step, when)
        if refused:
            self.reached.setdefault(("block", 100), when)


def _usd(amount: Fraction) -> Decimal:
    return round(Decimal(amount.numerator) / Decimal(amount.denominator), _PLACES)
