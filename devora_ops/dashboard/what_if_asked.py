"""What the address of the what-if page asks, as the bodies that REST takes for it.

So there is one set of rules for what is a question, and one for what is wrong with it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final

from django.http import QueryDict

from devora_ops.common.text import TextRefused, check_text
from devora_ops.dashboard.filters import Ignored
from devora_ops.dashboard.two_periods import TwoPeriods

TARGETS: Final = 3
RATES: Final = ("input", "output", "cache_read")
_LONGEST: Final = 300
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_MILLION: Final = 1_000_000

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of an address that can be shown again; others are left out."""

    query: QueryDict
    ignored: list[Ignored] = field(default_factory=list)

    def one(self, name: str, default: str = "") -> str:
        """Return the text of a parameter."""
        return self._clean(name, self.query.get(name, default))

    def all(self, name: str, most: int) -> list[str]:
        """Return so many texts of a parameter that repeats, empty where there are fewer."""
        texts = [self._clean(name, each) for each in self.query.getlist(name)[:most]]
        return [*texts, *[""] * (most - len(texts))]

    def _clean(self, name: str, text: str) -> str:
        text = text.strip()
        try:
            check_text(text, max_length=_LONGEST)
        except TextRefused:
            shown = text[:40].encode("utf-8", "replace").decode()
            self.ignored.append(Ignored(name, shown.replace("\0", "\ufffd")))
            return ""
        return text


def prices_asked(form: Mapping[str, Any], periods: TwoPeriods) -> Body | None:
    """Return the question of another price; None while nothing is asked."""
    if not form["of"]:
        return None
    price: Body = {"model": form["of"]}
    if form["as"]:
        price["as"] = form["as"]
    price |= {name: _per_token(form[name]) for name in RATES if form[name]}
    return {"prices": [price], **_scope(periods)}


def routes_asked(form: Mapping[str, Any], periods: TwoPeriods) -> Body | None:
    """Return the question of another route; None while nothing is asked."""
    if not form["requested"]:
        return None
    return {
        "requested": form["requested"],
        "strategy": form["strategy"],
        "targets": list(_targets(form["targets"])),
        **_scope(periods),
    }


def cache_asked(form: Mapping[str, Any], periods: TwoPeriods) -> Body | None:
    """Return the question of the cache; None while nothing is asked."""
    if not form["ttl_s"]:
        return None
    return {"ttl_s": _whole(form["ttl_s"]), **_scope(periods)}


def price_form(texts: Texts) -> Mapping[str, Any]:
    """Return what the form of prices shows."""
    return {name: texts.one(name) for name in ("of", "as", *RATES)}


def route_form(texts: Texts) -> Mapping[str, Any]:
    """Return what the form of routes shows; targets with their weights."""
    names, weights = texts.all("target", TARGETS), texts.all("weight", TARGETS)
    return {
        "requested": texts.one("requested"),
        "strategy": texts.one("strategy") or "priority",
        "targets": list(zip_longest(names, weights, fillvalue="")),
    }


def cache_form(texts: Texts) -> Mapping[str, Any]:
    """Return what the form of the cache shows."""
    return {"ttl_s": texts.one("ttl_s")}


def _targets(rows: Sequence[tuple[str, str]]) -> Iterator[Body]:
    for name, weight in rows:
        if name:
            yield {"model": name, **({"weight": _whole(weight)} if weight else {})}


def _scope(periods: TwoPeriods) -> Body:
    part = periods.after
    return {
        "from": part.start.isoformat(),
        "to": part.end.isoformat(),
        "filters": dict(part.where),
    }


def _whole(text: str) -> int | str:
    """Return a number where it is one; what is none REST will refuse."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else text


def _per_token(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        return text
    return f"{Decimal(text) / _MILLION:f}"
