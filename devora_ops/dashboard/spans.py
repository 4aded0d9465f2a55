"""Windows of the calendar: this month, the last one, and from one moment to another."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devora_ops.dashboard.filters import View
from devora_ops.dashboard.windows import RANGES, Range, Resolution, Window, window

_QUARTER: Final = dt.timedelta(minutes=15)
_DAY: Final = dt.timedelta(days=1)
# The longest span of each size of buckets: never more than 125 of them.
_SIZES: Final[tuple[tuple[dt.timedelta, Resolution, dt.timedelta], ...]] = (
    (_DAY + 2 * _QUARTER, "quarter", _QUARTER),
    (14 * _DAY, "three_hours", dt.timedelta(hours=3)),
    (125 * _DAY, "day", _DAY),
)
_A_YEAR_AGO: Final = _("the same time a year before")


def window_of(view: View, *, now: dt.datetime, zone: ZoneInfo) -> Window:
    """Cut what an address asks for, with the period that it is compared to."""
    if view.range in RANGES:
        cut = window(view.range, now=now, zone=zone)
    else:
        cut = _calendar_window(view, now, zone)
    match view.cmp:
        case "none":
            return replace(cut, previous_end=cut.previous_start)
        case "year":
            return _against_last_year(cut)
        case _:
            return cut


def _calendar_window(view: View, now: dt.datetime, zone: ZoneInfo) -> Window:
    local = now.astimezone(zone)
    this_month = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    last_month = (this_month - _DAY).replace(day=1)
    before = (last_month - _DAY).replace(day=1)
    match view.range:
        case "mtd":
            same_time = min(last_month + (local - this_month), this_month)
            names = (_("Month to date"), _("the same days of the month before"))
            bounds = (this_month, local, last_month, same_time)
        case "last_month":
            names = (_("Last month"), _("the month before"))
            bounds = (last_month, this_month, before, last_month)
        case _:
            start, end = (_moment(text, zone) for text in (view.start, view.end))
            if len(view.end) == len("2026-11-30"):
                end += _DAY  # a day counts to its end
            names = (_("Chosen time"), _("the time of equal length before"))
            bounds = (start, end, start - (end - start), start)
    return _cut(view.range, names, bounds, now)


def _moment(text: str, zone: ZoneInfo) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def _cut(
    name: str,
    names: tuple[Promise, Promise],
    bounds: tuple[dt.datetime, dt.datetime, dt.datetime, dt.datetime],
    now: dt.datetime,
) -> Window:
    start, end, previous_start, previous_end = bounds
    length = end - start
    resolution, step = _size(length)
    starts = tuple(s.astimezone(dt.UTC) for s in _starts(start, min(end, now), step))
    if end > now > start:  # the previous period ends as far into itself
        previous_end = min(previous_end, previous_start + (now - start))
    cut = Range(
        name=name,  # type: ignore[arg-type]  # one of this module's three
        short=names[0],
        label=names[0],
        previous=names[1],
        resolution=resolution,
        buckets=len(starts),
        length=length,
    )
    return Window(
        range=cut,
        zone=start.tzinfo,  # type: ignore[arg-type]  # a ZoneInfo of this module's
        starts=starts,
        # Buckets that begin at the end are not part of what is over.
        end=min(end - dt.timedelta(microseconds=1), now).astimezone(dt.UTC),
        previous_start=previous_start.astimezone(dt.UTC),
        previous_end=min(previous_end.astimezone(dt.UTC), starts[0]),
        over=end < now,
    )


def _size(length: dt.timedelta) -> tuple[Resolution, dt.timedelta]:
    for longest, resolution, step in _SIZES:
        if length <= longest:
            return resolution, step
    return "week", 7 * _DAY


def _starts(
    start: dt.datetime, end: dt.datetime, step: dt.timedelta
) -> Iterator[dt.datetime]:
    """Yield the first quarter of an hour and, from there, steps of the wall clock."""
    first = start.replace(
        minute=start.minute - start.minute % 15, second=0, microsecond=0
    )
    yield first
    grid = first
    if step >= _DAY:
        grid = first.replace(hour=0, minute=0, fold=0)
    elif step > _QUARTER:
        grid = first.replace(hour=first.hour - first.hour % 3, minute=0, fold=0)
    elif step == _QUARTER:
        first, end = (moment.astimezone(dt.UTC) for moment in (first, end))
        grid = first
    while (grid := grid + step) < end:
        yield grid


def _against_last_year(cut: Window) -> Window:
    start, end = (_a_year_before(m, cut.zone) for m in (cut.start, cut.end))
    return replace(
        cut,
        range=replace(cut.range, previous=_A_YEAR_AGO),
        previous_start=start,
        previous_end=min(end, cut.start),
    )


def _a_year_before(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    local = moment.astimezone(zone)
    day = 28 if (local.month, local.day) == (2, 29) else local.day
    return local.replace(year=local.year - 1, day=day).astimezone(dt.UTC)
