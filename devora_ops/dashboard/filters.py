"""What a page's address asks for: the range, the filters, and what was not understood."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devora_ops.common.text import TextRefused, check_text
from devora_ops.dashboard.windows import DEFAULT_RANGE, RANGES

DIMENSIONS: Final[dict[str, str | Promise]] = {
    "team": _("Team"),
    "agent": _("Agent"),
    "model": _("Model"),
}
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
_CHOICES: Final[dict[str, tuple[Mapping[str, Any], str]]] = {
    "range": (RANGES, DEFAULT_RANGE),
    "by": (GROUPINGS, "model"),
    "metric": (METRICS, "cost"),
}
_MOST_VALUES = 20
_LONGEST_VALUE = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls count: values per dimension; one that begins with `!` is left out."""

    team: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    model: tuple[str, ...] = ()

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
        """Say whether a call with these dimensions counts."""
        return all(
            self._admits(dimension, str(call.get(dimension, "")))
            for dimension in DIMENSIONS
        )

    def _admits(self, dimension: str, value: str) -> bool:
        wanted = self.wanted(dimension)
        return (not wanted or value in wanted) and value not in self.unwanted(dimension)

    def __bool__(self) -> bool:
        return bool(self.team or self.agent or self.model)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A parameter whose value means nothing here; the page says so."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class View:
    """A page's state, all of which is in its address."""

    range: str = DEFAULT_RANGE
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
        for dimension in DIMENSIONS:
            values = changes.get(dimension, self.scope.values(dimension)) or ()
            pairs += [(dimension, value) for value in values]
        return urlencode([*pairs, *self.unknown])


def parse(query: QueryDict) -> View:
    """Read a page's state; what is unknown is kept, what is invalid is named."""
    ignored: list[Ignored] = []
    choices = {name: _choice(query, name, ignored) for name in _CHOICES}
    scope = {name: _values(query.getlist(name), name, ignored) for name in DIMENSIONS}
    return View(
        **choices,
        scope=Scope(**scope),
        ignored=tuple(ignored),
        unknown=tuple(_unknown(query)),
    )


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
        if name not in _CHOICES and name not in DIMENSIONS:
            for value in values:
                if _is_acceptable(name) and _is_acceptable(value):
                    yield name, value
