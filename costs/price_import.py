"""What an import would do to the price book, row by row. Pure.

Nothing is overwritten: a row supersedes the price that is in force at its moment, which
is what it is compared with.
"""

import datetime as dt
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from django.utils.translation import gettext as _

from costs.price_rows import RATES, ProposedPrice
from costs.price_sanity import changes, oddities

Verdict = Literal["new", "changed", "same", "suspicious", "invalid"]
VERDICTS: tuple[Verdict, ...] = ("invalid", "suspicious", "changed", "new", "same")


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """A row of the book. rates: USD per token and each."""

    model: str
    valid_from: dt.datetime
    rates: Mapping[str, Decimal | None]
    schedule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A row with its verdict. percent: by how much each rate moves; 5 is 5 % dearer.

    valid_from: the moment it would be in force from. current: what it supersedes.
    """

    row: ProposedPrice
    verdict: Verdict
    sentences: tuple[str, ...]
    valid_from: dt.datetime
    percent: Mapping[str, Decimal] = field(default_factory=dict)
    current: KnownPrice | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """All rows of a file, in its order."""

    rows: Sequence[Reviewed]

    @property
    def counts(self) -> dict[Verdict, int]:
        """Return how many rows there are of each verdict."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def unconfirmed(self, accepted: Collection[str]) -> list[Reviewed]:
        """Return the suspicious rows whose models nobody named."""
        return [
            row
            for row in self.rows
            if row.verdict == "suspicious" and row.row.model not in accepted
        ]

    def written(self) -> list[Reviewed]:
        """Return the rows that an import writes, once all doubts are settled."""
        return [row for row in self.rows if row.verdict not in ("same", "invalid")]

    def confirmed(self) -> list[KnownPrice]:
        """Return the prices of the book that the file says the same of."""
        return [
            row.current for row in self.rows if row.verdict == "same" and row.current
        ]


def review(
    rows: Iterable[ProposedPrice], book: Iterable[KnownPrice], *, now: dt.datetime
) -> Review:
    """Compare rows with the book. book: all prices of the rows' models, in any order."""
    known: defaultdict[str, list[KnownPrice]] = defaultdict(list)
    for price in sorted(book, key=lambda price: price.valid_from):
        known[price.model].append(price)
    return Review([_reviewed(row, known[row.model], now) for row in rows])


def _reviewed(
    row: ProposedPrice, known: Sequence[KnownPrice], now: dt.datetime
) -> Reviewed:
    moment = row.valid_from or now
    if row.problems:
        return Reviewed(row, "invalid", row.problems, moment)
    place = bisect_right([price.valid_from for price in known], moment)
    current = known[place - 1] if place else None
    if current is None:
        doubts = tuple(oddities(row.rates, row.schedule))
        told = doubts or (_("This model has no price yet."),)
        return Reviewed(row, "suspicious" if doubts else "new", told, moment)
    if _is_same(row, current):
        return Reviewed(row, "same", (_("The book says so."),), moment, {}, current)
    if current.valid_from == moment:
        told = (_("The book has another price from this very moment on."),)
        return Reviewed(row, "invalid", told, moment, {}, current)
    doubts = (
        *oddities(row.rates, row.schedule),
        *changes(row.rates, current.rates),
        *_lost_schedule(row, current),
    )
    percent = _percent(row.rates, current.rates)
    told = doubts or (_what_moves(percent, row, moment=moment, now=now),)
    verdict: Verdict = "suspicious" if doubts else "changed"
    return Reviewed(row, verdict, told, moment, percent, current)


def _is_same(row: ProposedPrice, current: KnownPrice) -> bool:
    rates_agree = all(row.rates.get(n) == current.rates.get(n) for n in RATES)
    return rates_agree and dict(row.schedule) == dict(current.schedule)


def _percent(
    new: Mapping[str, Decimal | None], old: Mapping[str, Decimal | None]
) -> dict[str, Decimal]:
    """Return how much each rate moves; what has no rate on one side cannot be said."""
    moved = {}
    for name in RATES:
        now, before = new.get(name), old.get(name)
        if now is not None and before and now != before:
            moved[name] = ((now / before - 1) * 100).quantize(Decimal("0.01"))
    return moved


def _lost_schedule(row: ProposedPrice, current: KnownPrice) -> Iterable[str]:
    # Without its tiers, long and batched requests would cost what short ones do.
    for name in sorted(current.schedule.keys() - row.schedule.keys()):
        if current.schedule[name]:
            told = _("The price today has %(name)s, this row has none.")
            yield told % {"name": name}


def _what_moves(
    percent: Mapping[str, Decimal],
    row: ProposedPrice,
    *,
    moment: dt.datetime,
    now: dt.datetime,
) -> str:
    parts = [f"{name} {moved:+}%" for name, moved in percent.items()]
    told = ", ".join(parts) or _("Rates or tiers are added or changed.")
    if moment < now:
        told += " " + _("Calls that were made since keep what they cost.")
    return told
