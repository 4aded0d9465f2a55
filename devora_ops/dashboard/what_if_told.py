"""The answers of what-ifs as the page tells them: a sentence, figures and a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.utils.translation import gettext as _

from costs.api.what_if import WhatIfSerializer, assumptions
from costs.what_if import Comparison, total_of
from devora_ops.common import formats
from llm.api.what_if import CacheWhatIfSerializer, RouteWhatIfSerializer
from llm.what_if_answers import Answer
from llm.what_if_cache import CacheAnswer, what_if_cached
from llm.what_if_routes import what_if_routed
from llm.what_if_words import cache_assumptions, method, route_assumptions


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. heads: of the columns behind the model; rows: a model and its cells."""

    sentence: str
    figures: Sequence[tuple[str, str]]
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    method: str
    assumptions: Sequence[str]
    warnings: Sequence[str] = field(default_factory=tuple)


def prices_told(asked: WhatIfSerializer) -> Told | None:
    """Answer what other prices would have come to; None when there was no attempt."""
    rows = asked.answered()
    total = total_of(rows)
    if not total.attempts:
        return None
    heads = [_("Attempts"), _("It cost"), _("It would have cost"), _("Difference")]
    return Told(
        sentence(total.actual_usd, total.what_if_usd),
        list(_figures(total)),
        heads,
        [
            _row(
                row.model,
                heads,
                formats.count(row.attempts),
                formats.money(row.actual_usd),
                formats.money(row.what_if_usd),
                signed(row.difference_usd),
            )
            for row in rows
        ],
        _("All of them were read: the figures are exact."),
        assumptions(),
        asked.warnings(),
    )


def routes_told(asked: RouteWhatIfSerializer) -> Told | None:
    """Answer what another route would have come to; None when there was no attempt."""
    question = asked.question()
    found = what_if_routed(question)
    said = route_assumptions(question.draft, found)
    return _sampled(found, _("Attempts"), _("It would have served"), said)


def cache_told(asked: CacheWhatIfSerializer) -> Told | None:
    """Answer what the cache would have saved; None when no call is known well enough."""
    found = what_if_cached(asked.question())
    said = cache_assumptions(found)
    told = _sampled(found, _("Calls"), _("Would have been hits"), said)
    return told and replace(told, figures=[*told.figures, *_hits(found)])


def _sampled(
    found: Answer, counted: str, tried: str, assumptions: Sequence[str]
) -> Told | None:
    """Tell an answer; None of nothing. counted, tried: what the two counts of rows are."""
    if not found.population:
        return None
    heads = [counted, _("It cost"), tried, _("It would have cost")]
    return Told(
        sentence(found.actual_usd, found.what_if_usd),
        [*_figures(found), *_interval(found)],
        heads,
        [
            _row(
                row.model or formats.NO_VALUE,
                heads,
                formats.count(row.count),
                formats.money(row.actual_usd),
                formats.count(row.what_if_count),
                formats.money(row.what_if_usd),
            )
            for row in found.rows
        ],
        method(found),
        assumptions,
    )


def sentence(actual: Decimal, tried: Decimal) -> str:
    """Return what would have become of a cost, in a sentence."""
    values = {
        "actual": formats.money(actual),
        "tried": formats.money(tried),
        "difference": formats.money(abs(tried - actual)),
    }
    if tried > actual:
        told = _("%(tried)s instead of %(actual)s: %(difference)s more.")
    elif tried < actual:
        told = _("%(tried)s instead of %(actual)s: %(difference)s less.")
    else:
        told = _("%(actual)s either way.")
    return told % values


def signed(amount: Decimal) -> str:
    """Return an amount that is added or taken off."""
    return f"+{formats.money(amount)}" if amount > 0 else formats.money(amount)


def _figures(found: Comparison | Answer) -> Iterator[tuple[str, str]]:
    yield _("It cost"), formats.money(found.actual_usd)
    yield _("It would have cost"), formats.money(found.what_if_usd)
    difference = signed(found.difference_usd)
    if found.percent:
        difference = f"{difference} ({formats.signed_percent(found.percent)})"
    yield _("Difference"), difference


def _interval(found: Answer) -> Iterator[tuple[str, str]]:
    if not found.exact:
        low, high = map(formats.money, found.interval)
        yield _("95% interval"), f"{low} – {high}"


def _hits(found: CacheAnswer) -> Iterator[tuple[str, str]]:
    share = found.hits / found.population
    yield _("Would have been hits"), formats.percent(share)
    yield _("Were hits"), formats.percent(found.were_hits / found.population)


def _row(
    model: str, heads: Sequence[str], *cells: str
) -> tuple[str, Sequence[tuple[str, str]]]:
    return model, list(zip(heads, cells, strict=True))
