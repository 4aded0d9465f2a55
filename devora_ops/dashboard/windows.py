"""Spans of time as the pages cut them: a range, its buckets, and the period before it."""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RangeName = Literal["1h", "24h", "7d", "30d", "90d", "mtd", "last_month", "custom"]
Resolution = Literal["minute", "quarter", "three_hours", "day", "week"]


@dataclass(frozen=True, slots=True)
class Range:
    """A choice of the filter bar: so many buckets of one size, up to now."""

    name: RangeName
    short: str | Promise
    label: str | Promise
    previous: str | Promise
    resolution: Resolution
    buckets: int
    length: dt.timedelta


RANGES: Final[dict[str, Range]] = {
    r.name: r
    for r in (
        Range(
            "1h",
            _("1h"),
            _("Last hour"),
            _("the previous hour"),
            "minute",
            60,
            dt.timedelta(hours=1),
        ),
        Range(
            "24h",
            _("24h"),
            _("Last 24 hours"),
            _("the previous 24 hours"),
            "quarter",
            96,
            dt.timedelta(hours=24),
        ),
        Range(
            "7d",
            _("7d"),
            _("Last 7 days"),
            _("the previous 7 days"),
            "three_hours",
            56,
            dt.timedelta(days=7),
        ),
        Range(
            "30d",
            _("30d"),
            _("Last 30 days"),
            _("the previous 30 days"),
            "day",
            30,
            dt.timedelta(days=30),
        ),
        Range(
            "90d",
            _("90d"),
            _("Last 90 days"),
            _("the previous 90 days"),
            "day",
            90,
            dt.timedelta(days=90),
        ),
    )
}
DEFAULT_RANGE: Final[RangeName] = "7d"


@dataclass(frozen=True, slots=True)
class Window:
    """A range at one moment: where its buckets begin, in UTC.

    Unless it is over, the last bucket is the current one. The previous period ends as
    far into itself as `end` is into this one, so the two can be compared; it is empty
    where nothing is to be compared. over: what counts ends before now.
    """

    range: Range
    zone: ZoneInfo
    starts: tuple[dt.datetime, ...]
    end: dt.datetime
    previous_start: dt.datetime
    previous_end: dt.datetime
    over: bool = False

    @property
    def daily(self) -> bool:
        """Whether the buckets are days or longer."""
        return self.range.resolution in ("day", "week")

    @property
    def is_compared(self) -> bool:
        """Whether there is a period to compare with."""
        return self.previous_start < self.previous_end

    @property
    def start(self) -> dt.datetime:
        """Where the first bucket begins."""
        return self.starts[0]

    def local_starts(self) -> list[dt.datetime]:
        """Return the buckets' beginnings on the clock of the window's zone."""
        return [start.astimezone(self.zone) for start in self.starts]


def window(name: str, *, now: dt.datetime, zone: ZoneInfo) -> Window:
    """Cut a range that ends now; days are the zone's own, of 23 or 25 hours too."""
    chosen = RANGES[name]
    starts = _starts(chosen, now.astimezone(zone))
    return Window(
        range=chosen,
        zone=zone,
        starts=starts,
        end=now,
        previous_start=_shifted(starts[0], chosen, zone),
        previous_end=_shifted(now, chosen, zone),
    )


def _starts(chosen: Range, local_now: dt.datetime) -> tuple[dt.datetime, ...]:
    last, step = _last_bucket(chosen.resolution, local_now)
    places = range(chosen.buckets - 1, -1, -1)
    if chosen.resolution in ("minute", "quarter"):
        last = last.astimezone(dt.UTC)
        return tuple(last - step * place for place in places)
    # Wall-clock steps: the zone decides how long a day is.
    return tuple((last - step * place).astimezone(dt.UTC) for place in places)


def _last_bucket(
    resolution: Resolution, local_now: dt.datetime
) -> tuple[dt.datetime, dt.timedelta]:
    minute = local_now.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    match resolution:
        case "minute":
            return minute, dt.timedelta(minutes=1)
        case "quarter":
            quarter = minute.minute - minute.minute % 15
            return minute.replace(minute=quarter), dt.timedelta(minutes=15)
        case "three_hours":
            step = dt.timedelta(hours=3)
            return hour.replace(hour=hour.hour - hour.hour % 3, fold=0), step
        case "day":
            return hour.replace(hour=0, fold=0), dt.timedelta(days=1)
        case "week":
            return hour.replace(hour=0, fold=0), dt.timedelta(days=7)


def _shifted(moment: dt.datetime, chosen: Range, zone: ZoneInfo) -> dt.datetime:
    if chosen.resolution in ("minute", "quarter"):
        return moment - chosen.length
    return (moment.astimezone(zone) - chosen.length).astimezone(dt.UTC)
