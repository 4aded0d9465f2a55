"""Two periods of days, as the address of the page that compares them says."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from django.http import QueryDict

from costs.bills import FILTERS
from costs.selectors import Slice
from devora_ops.common.text import TextRefused, check_text
from devora_ops.dashboard.filters import Ignored

_DAY: Final = dt.timedelta(days=1)
_USUAL: Final = dt.timedelta(days=6)  # from the first day to the last: a week
_YEARS: Final = range(2000, 2100)
_LONGEST_VALUE: Final = 256


@dataclass(frozen=True, slots=True)
class Days:
    """From one day to another, both of them included."""

    first: dt.date
    last: dt.date

    @property
    def span(self) -> dt.timedelta:
        """How far the last day is from the first."""
        return self.last - self.first

    def start(self, zone: ZoneInfo) -> dt.datetime:
        """Return when the first day begins."""
        return dt.datetime.combine(self.first, dt.time(), tzinfo=zone)

    def end(self, zone: ZoneInfo) -> dt.datetime:
        """Return when the last day is over."""
        return dt.datetime.combine(self.last + _DAY, dt.time(), tzinfo=zone)


@dataclass(frozen=True, slots=True)
class TwoPeriods:
    """What the page compares, and what of its address was left out.

    before, after: as moments. A period that is not over ends now, and the one before it
    as far into itself, unless the address names that.
    """

    days_before: Days
    days_after: Days
    before: Slice
    after: Slice
    ignored: tuple[Ignored, ...] = ()

    @property
    def where(self) -> Mapping[str, str]:
        """The filters, which both have."""
        return self.after.where


def two_periods(query: QueryDict, *, now: dt.datetime, zone: ZoneInfo) -> TwoPeriods:
    """Read an address; what is missing is the last week, and the period before it."""
    ignored: list[Ignored] = []
    today = now.astimezone(zone).date()
    after = _after(query, today, ignored)
    named = _before(query, after, ignored)
    before = named or Days(after.first - after.span - _DAY, after.first - _DAY)
    where = _where(query, ignored)
    left = max(after.end(zone) - now, dt.timedelta())
    cut = dt.timedelta() if named else left
    return TwoPeriods(
        before,
        after,
        Slice(before.start(zone), before.end(zone) - cut, where),
        Slice(after.start(zone), after.end(zone) - left, where),
        tuple(ignored),
    )


def _after(query: QueryDict, today: dt.date, ignored: list[Ignored]) -> Days:
    last = _date(query, "to", ignored)
    first = _date(query, "from", ignored)
    if last is None:
        last = min(first + _USUAL, today) if first else today
    found = Days(first or last - _USUAL, last)
    if found.first <= min(found.last, today):
        return found
    ignored.append(Ignored("from–to", f"{found.first}–{found.last}"))
    return Days(today - _USUAL, today)


def _before(query: QueryDict, after: Days, ignored: list[Ignored]) -> Days | None:
    first = _date(query, "before_from", ignored)
    last = _date(query, "before_to", ignored)
    if first is None and last is None:
        return None
    last = last or (first or after.first) + after.span
    found = Days(first or last - after.span, last)
    if found.first <= found.last:
        return found
    ignored.append(Ignored("before_from–before_to", f"{found.first}–{found.last}"))
    return None


def _date(query: QueryDict, name: str, ignored: list[Ignored]) -> dt.date | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        ignored.append(Ignored(name, _shown(text)))
        return None
    return found


def _where(query: QueryDict, ignored: list[Ignored]) -> dict[str, str]:
    found = {}
    for name in FILTERS:
        value = query.get(name, "").strip()
        try:
            check_text(value, max_length=_LONGEST_VALUE)
        except TextRefused:
            ignored.append(Ignored(name, _shown(value)))
            continue
        if value:
            found[name] = value
    return found


def _shown(text: str) -> str:
    return text[:40].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
