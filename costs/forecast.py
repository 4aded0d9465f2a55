"""Where spending is heading: one method for every page that says so. Pure.

A weekday costs what it has cost of late. With a week of days behind it a forecast knows
each weekday's mean, drawn towards the mean of all days as far as few of its kind were
seen (one day's worth); with less it takes all days for alike, and with less than three
it says nothing. The band is where the period ends four times out of five if days go on
to differ from their weekday's mean as they did, each by itself, around a level that is
itself only known from so many days.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

TOO_EARLY: Final = 0.1
FEWEST_DAYS: Final = 3
SEASONAL_DAYS: Final = 7
LOOKS_BACK_DAYS: Final = 28
_DRAWN_BY: Final = 1  # days' worth of the general mean in each weekday's
# Student's t at 90 %, by degrees of freedom; beyond them the normal's.
_T90: Final = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
_NORMAL90: Final = 1.2816

Method = Literal["weekdays", "pace"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a period comes to, in USD; low and high: its 80 % band.

    method: "weekdays", or "pace" while fewer than SEASONAL_DAYS are known.
    """

    usd: Decimal
    low: Decimal
    high: Decimal
    method: Method


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days' spend, oldest first, and what they say of any weekday."""

    first: dt.date
    spent: Sequence[float]

    @property
    def mean(self) -> float:
        """The mean of all days."""
        return math.fsum(self.spent) / len(self.spent)

    @property
    def method(self) -> Method:
        """Whether weekdays are told apart."""
        return "weekdays" if len(self.spent) >= SEASONAL_DAYS else "pace"

    def expected(self, day: dt.date, *, unseen: bool = False) -> float:
        """Return what a day like this costs; unseen: if that very day were not known."""
        place = (day - self.first).days
        alike = self.spent[place % 7 :: 7] if self.method == "weekdays" else []
        count, total = len(alike), math.fsum(alike)
        mean = self.mean
        if unseen:
            own = self.spent[place]
            mean = (mean * len(self.spent) - own) / (len(self.spent) - 1)
            if alike:
                count, total = count - 1, total - own
        return (total + _DRAWN_BY * mean) / (count + _DRAWN_BY)

    @property
    def deviation(self) -> float:
        """How far a day lies from what the others let expect, root mean square."""
        squares = [
            (spent - self.expected(self.first + dt.timedelta(n), unseen=True)) ** 2
            for n, spent in enumerate(self.spent)
        ]
        return math.sqrt(math.fsum(squares) / len(squares))


def forecast(
    spent: Decimal,
    by_day: Mapping[dt.date, Decimal],
    *,
    today: dt.date,
    passed: float,
    ends: dt.date,
) -> Forecast | None:
    """Return what a period comes to; None with less than FEWEST_DAYS known.

    spent: in the period so far. by_day: what days before today cost, those of the period
    or before it; a day that is missing after the first cost nothing. passed: the part of
    today that is over, 0 to 1. ends: the first day that is not in the period.
    """
    days = _days(by_day, today)
    if days is None or ends <= today:
        return None
    ahead = [today + dt.timedelta(n) for n in range((ends - today).days)]
    weights = [1 - passed, *[1.0] * (len(ahead) - 1)]
    rest = math.fsum(
        weight * days.expected(day) for weight, day in zip(weights, ahead, strict=True)
    )
    left, known = math.fsum(weights), len(days.spent)
    t = _T90[known - 2] if known - 2 < len(_T90) else _NORMAL90
    margin = t * days.deviation * math.sqrt(left + left**2 / known)
    return Forecast(
        usd=spent + _usd(rest),
        low=spent + _usd(max(0.0, rest - margin)),
        high=spent + _usd(rest + margin),
        method=days.method,
    )


def at_this_pace(spent: Decimal, passed: float) -> Decimal | None:
    """Return what a period costs if its rest goes as its beginning went.

    For what has no sums by day. passed: the part of the period that is over, 0 to 1.
    None while it is too early to tell, which in a month is its first three days, and
    while nothing was spent.
    """
    if passed < TOO_EARLY or not spent:
        return None
    return spent / Decimal(str(passed))


def _days(by_day: Mapping[dt.date, Decimal], today: dt.date) -> Days | None:
    oldest = today - dt.timedelta(LOOKS_BACK_DAYS)
    known = [day for day, spent in by_day.items() if oldest <= day < today and spent]
    if not known:
        return None
    first = min(known)
    dates = [first + dt.timedelta(n) for n in range((today - first).days)]
    if len(dates) < FEWEST_DAYS:
        return None
    return Days(first, [float(by_day.get(day, 0)) for day in dates])


def _usd(amount: float) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.000001"))
