"""What a page's address asks for: the range, the filters, and what was not understood."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devora_ops.common.text import TextRefused, check_text
from devora_ops.common.time_zones import names as time_zones
from devora_ops.dashboard.windows import DEFAULT_RANGE, RANGES

# Those with a menu of values; the others come with an address.
MENUS: Final[dict[str, str | Promise]] = {
    "team": _("Team"),
    "agent": _("Agent"),
    "model": _("Model"),
}
DIMENSIONS: Final[dict[str, str | Promise]] = {
    **MENUS,
    "prompt": _("Prompt"),
    "exp": _("Experiment"),
    "user": _("User"),
    "key": _("API key"),
    "status": _("Status"),
}
# Rollups sum these apart from each other; the rest is in both.
OF_WORK: Final = frozenset({"prompt", "exp"})
OF_WHO: Final = frozenset({"user", "key"})
# Where a call's field is named otherwise than the parameter.
CALL_FIELDS: Final = {"user": "end_user", "exp": "experiment"}
# What the news of a settled call tells.
OF_NEWS: Final = frozenset(DIMENSIONS) - {"user", "exp"}
GROUPINGS: Final[dict[str, str | Promise]] = {
    "model": _("Model"),
    "agent": _("Agent"),
    "team": _("Team"),
    "prompt": _("Prompt"),
}
METRICS: Final[dict[str, str | Promise]] = {
    "cost": _("Cost"),
    "calls": _("Calls"),
    "tokens": _("Tokens"),
}
_CHOICES: Final[dict[str, tuple[Collection[str], str]]] = {
    "range": ((*RANGES, "mtd", "last_month", "custom"), DEFAULT_RANGE),
    "cmp": (("prev", "year", "none"), "prev"),
    "by": (GROUPINGS, "model"),
    "metric": (METRICS, "cost"),
}
# Parameters of an address → fields of a view: `from` is a word of Python's.
_BOUNDS: Final = {"from": "start", "to": "end"}
_KNOWN: Final = frozenset({*_CHOICES, *DIMENSIONS, *_BOUNDS, "tz"})
_YEARS: Final = range(2000, 2100)
_LONGEST: Final = dt.timedelta(days=732)
_MOST_VALUES = 20
_LONGEST_VALUE = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls count: values per dimension; one that begins with `!` is left out."""

    team: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    exp: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    status: tuple[str, ...] = ()

    def values(self, dimension: str) -> tuple[str, ...]:
        """Return the values of one dimension as the address spells them."""
        chosen: tuple[str, ...] = getattr(self, dimension)
        return chosen

    def wanted(self, dimension: str) -> list[str]:
        """Return the values of which a call must have one; none means any."""
        return [v for v in self.values(dimension) if not v.startswith("!")]

    def unwanted(self, dimension: str) -> list[str]:
        """Return the values that a call must not have."""
        return [v[1:] for v in self.values(dimension) if v.startswith("!")]

    def matches(self, call: Mapping[str, Any]) -> bool:
        """Say whether a settled call counts, by what the news of it tell."""
        return all(
            self._admits(dimension, str(call.get(dimension, "")))
            for dimension in OF_NEWS
        )

    def _admits(self, dimension: str, value: str) -> bool:
        wanted = self.wanted(dimension)
        return (not wanted or value in wanted) and value not in self.unwanted(dimension)

    def asks_for(self, dimensions: Iterable[str]) -> bool:
        """Say whether it filters by any of these."""
        return any(self.values(dimension) for dimension in dimensions)

    def __bool__(self) -> bool:
        return self.asks_for(DIMENSIONS)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A parameter whose value was left out; the page says so.

    crosses: it means something, but not together with the rest.
    """

    name: str
    value: str
    crosses: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A page's state, all of which is in its address.

    start, end: ISO dates or times, with the range `custom` only. tz: a time zone
    other than the profile's.
    """

    range: str = DEFAULT_RANGE
    start: str = ""
    end: str = ""
    tz: str = ""
    cmp: str = "prev"
    by: str = "model"
    metric: str = "cost"
    scope: Scope = Scope()
    ignored: tuple[Ignored, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    def query(self, **changes: Any) -> str:
        """Return the query string of this state with changes; defaults are left out.

        A change of a dimension takes a sequence of values; None takes it away.
        """
        pairs = [
            (name, value)
            for name, (_choices, default) in _CHOICES.items()
            if (value := changes.get(name, getattr(self, name))) != default
        ]
        if changes.get("range", self.range) == "custom":
            pairs += [(name, getattr(self, field)) for name, field in _BOUNDS.items()]
        if tz := changes.get("tz", self.tz):
            pairs.append(("tz", tz))
        for dimension in DIMENSIONS:
            values = changes.get(dimension, self.scope.values(dimension)) or ()
            pairs += [(dimension, value) for value in values]
        return urlencode([*pairs, *self.unknown])

    def unfiltered(self) -> str:
        """Return the query string of this state without its filters."""
        return self.query(**dict.fromkeys(DIMENSIONS))


def parse(query: QueryDict) -> View:
    """Read a page's state; what is unknown is kept, what is left out is named."""
    ignored: list[Ignored] = []
    choices = {name: _choice(query, name, ignored) for name in _CHOICES}
    bounds = _bounds(query, choices, ignored)
    scope = {name: _values(query.getlist(name), name, ignored) for name in DIMENSIONS}
    _part(scope, choices, ignored)
    return View(
        **choices,
        **bounds,
        tz=_zone(query, ignored),
        scope=Scope(**scope),
        ignored=tuple(ignored),
        unknown=tuple(_unknown(query)),
    )


def _bounds(
    query: QueryDict, choices: dict[str, str], ignored: list[Ignored]
) -> dict[str, str]:
    """Return both ends of a chosen time; without two good ones it is the usual range."""
    if choices["range"] != "custom":
        return {}
    texts = {field: query.get(name, "") for name, field in _BOUNDS.items()}
    if _is_span(*texts.values()):
        return texts
    ignored.append(Ignored("from–to", _shown("–".join(texts.values()))))
    choices["range"] = DEFAULT_RANGE
    return {}


def _is_span(start: str, end: str) -> bool:
    try:
        first, last = (dt.datetime.fromisoformat(text) for text in (start, end))
    except ValueError:
        return False
    # Only to see which is later: both are read on the same clock, or say their own.
    first, last = (
        moment.replace(tzinfo=moment.tzinfo or dt.UTC) for moment in (first, last)
    )
    in_reach = first.year in _YEARS and last.year in _YEARS
    day = len(end) == len("2026-11-30")
    return in_reach and first < last + dt.timedelta(days=day) <= first + _LONGEST


def _zone(query: QueryDict, ignored: list[Ignored]) -> str:
    name = query.get("tz", "")
    if not name or name in time_zones():
        return name
    ignored.append(Ignored("tz", _shown(name)))
    return ""


def _part(
    scope: dict[str, tuple[str, ...]], choices: dict[str, str], ignored: list[Ignored]
) -> None:
    """Leave out who called where the sums tell what was done, and the other way round."""
    of_work = any(scope[name] for name in OF_WORK) or choices["range"] == "1h"
    for name in sorted(OF_WHO):
        if of_work and scope[name]:
            ignored += [Ignored(name, _shown(v), crosses=True) for v in scope[name]]
            scope[name] = ()
    if choices["by"] in OF_WORK and any(scope[name] for name in OF_WHO):
        ignored.append(Ignored("by", choices["by"], crosses=True))
        choices["by"] = "model"


def _choice(query: QueryDict, name: str, ignored: list[Ignored]) -> str:
    choices, default = _CHOICES[name]
    value = query.get(name, default)
    if value in choices:
        return value
    ignored.append(Ignored(name, _shown(value)))
    return default


def _values(
    values: Iterable[str], name: str, ignored: list[Ignored]
) -> tuple[str, ...]:
    kept: list[str] = []
    for value in dict.fromkeys(values):
        if len(kept) == _MOST_VALUES or not _is_acceptable(value):
            ignored.append(Ignored(name, _shown(value)))
        else:
            kept.append(value)
    return tuple(kept)


def _is_acceptable(value: str) -> bool:
    try:
        check_text(value, max_length=_LONGEST_VALUE)
    except TextRefused:
        return False
    return bool(value.removeprefix("!"))


def _shown(value: str) -> str:
    return value[:40].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _unknown(query: QueryDict) -> Iterable[tuple[str, str]]:
    for name, values in query.lists():
        if name not in _KNOWN:
            for value in values:
                if _is_acceptable(name) and _is_acceptable(value):
                    yield name, value
