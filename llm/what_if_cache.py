"""What calls would have cost had the cache been on for them.

Calls with one fingerprint asked for the same. Postgres replays the cache's rule over
them; a hit costs nothing, and a call that was one, but would be none, costs what its
answer had cost when it was made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction

from costs.pricing import round_usd
from costs.sampling import MOST_ROWS, added
from costs.usage_sums import limit_time
from llm.cache_drawing import Drawing, drawing
from llm.cache_question import CacheQuestion
from llm.cache_replay import Replayed, replayed
from llm.what_if_answers import Answer, ModelRow, dearest_first

_KNOWN: Final = """
SELECT count(*), count(a.fingerprint),
    count(*) FILTER (WHERE {priced}), count(*) FILTER (WHERE {priced} AND a.status = 'cached'),
    coalesce(sum(a.cost_usd) FILTER (WHERE {priced}), 0)
FROM costs_call AS a WHERE {scope}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAnswer(Answer):
    """Counts are of calls; of a row's, the latter are hits.

    calls: all that were asked about; fingerprinted: those of which is known whether they
    asked for the same. hits: those that would have been; were_hits: those that were.
    in_blocks: whether the calls of frequent requests were read in blocks of time.
    """

    calls: int
    fingerprinted: int
    hits: int
    were_hits: int
    in_blocks: bool

    @property
    def coverage(self) -> float | None:
        """Return the share of the calls that have a fingerprint; None of no call."""
        return self.fingerprinted / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class _Known:
    """Of all that is asked about: how many, and what is known of them."""

    calls: int
    fingerprinted: int
    population: int
    were_hits: int
    actual_usd: Decimal


def what_if_cached(question: CacheQuestion, *, most: int = MOST_ROWS) -> CacheAnswer:
    """Return what a question's calls would have cost. most: calls to replay."""
    with transaction.atomic(), connection.cursor() as cursor:
        limit_time(cursor)
        known = _known(cursor, question)
        drawn = drawing(
            cursor,
            question,
            calls=known.population,
            actual_usd=known.actual_usd,
            most=most,
        )
        strata = replayed(cursor, question, drawn)
    return _answer(question, known, drawn, strata)


def _known(cursor: Any, question: CacheQuestion) -> _Known:
    cursor.execute(*question.query(_KNOWN))
    return _Known(*cursor.fetchone())


def _answer(
    question: CacheQuestion, known: _Known, drawn: Drawing, strata: Sequence[Replayed]
) -> CacheAnswer:
    rows = _rows(strata)
    return CacheAnswer(
        start=question.start,
        end=question.end,
        actual_usd=known.actual_usd,
        estimate=added(*(each.estimate for each in strata)),
        exact=drawn.is_whole,
        population=known.population,
        sampled=sum(each.part.read for each in strata),
        unpriced=known.fingerprinted - known.population,
        rows=dearest_first(rows),
        calls=known.calls,
        fingerprinted=known.fingerprinted,
        hits=sum(row.what_if_count for row in rows),
        were_hits=known.were_hits,
        in_blocks=bool(drawn.giants.edges),
    )


def _rows(strata: Sequence[Replayed]) -> list[ModelRow]:
    """Return each model's figures, every stratum's on its own scale."""
    scaled = [(each.part, each.times, each.estimate.scale) for each in strata]
    return [
        ModelRow(
            model,
            round(sum(part.calls[model] * times for part, times, _ in scaled)),
            _usd(part.costs[model] * scale for part, _, scale in scaled),
            round(sum(part.hits[model] * times for part, times, _ in scaled)),
            _usd(part.tried[model] * scale for part, _, scale in scaled),
        )
        for model in sorted({model for part, _, _ in scaled for model in part.calls})
    ]


def _usd(amounts: Iterable[Decimal]) -> Decimal:
    return round_usd(sum(amounts, Decimal(0)))
