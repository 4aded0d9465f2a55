"""What calls would have cost had the cache been on for them.

Calls with one fingerprint asked for the same. Postgres replays the cache's rule over
them; a hit costs nothing, and a call that was one, but would be none, costs what its
answer had cost when it was made.

A sample of calls would tear those of one request apart and find hardly a hit, so what is
drawn is the fingerprint, with all of its calls. A few requests can make up much of the
traffic, and whether they are drawn would decide everything: those are read whole, and
only the rest is drawn.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from psycopg import sql

from costs.pricing import round_usd
from costs.sampling import GROUPS, MOST_ROWS, Draw, draw, estimated
from costs.usage_sums import TIMEOUT, matching
from devora_ops.common.ids import first_uuid7_at
from llm.what_if_answers import Answer, ModelRow, dearest_first

# Of the calls that the frequent requests are looked for among; and how often one of those
# has to be there.
_LOOKED_AT: Final = 10
_FREQUENT: Final = 10

_KNOWN: Final = """
SELECT count(*), count(a.fingerprint),
    count(*) FILTER (WHERE {priced}), count(*) FILTER (WHERE {priced} AND a.status = 'cached'),
    coalesce(sum(a.cost_usd) FILTER (WHERE {priced}), 0)
FROM costs_call AS a WHERE {scope}
"""

_OFTEN: Final = """
SELECT a.fingerprint, count(*) FROM costs_call AS a
WHERE {scope} AND {priced} AND uuid_hash_extended(a.id, 2) < %(looked)s
GROUP BY 1 HAVING count(*) >= %(frequent)s
"""

# By COPY, which streams, and which several processes may work for, as for no cursor.
_REPLAYED: Final = """
COPY (
SELECT model, frequent, CASE WHEN frequent THEN 0 ELSE {group} END, count(*),
    count(*) FILTER (WHERE until > began), sum(cost_usd),
    coalesce(sum(cost_usd + saved_usd) FILTER (WHERE until <= began), 0)
FROM (
    SELECT *, coalesce(lag(after) OVER same, '-Infinity') AS until FROM (
        SELECT *, llm_cached_until(began, ended, kept, %(ttl_s)s) OVER (
            same ROWS UNBOUNDED PRECEDING
        ) AS after
        FROM (
            SELECT a.id, a.model, a.fingerprint, a.cost_usd, a.saved_usd,
                a.fingerprint = ANY(%(often)s::bigint[]) AS frequent,
                a.status IN ('ok', 'cached') AS kept,
                extract(epoch FROM a.finished_at)::double precision AS ended,
                extract(epoch FROM a.finished_at)::double precision
                    - a.latency_ms / 1000.0 AS began
            FROM costs_call AS a
            WHERE {scope} AND {priced}
                AND (a.fingerprint = ANY(%(often)s::bigint[]) OR {drawn})
        ) AS seen
        WINDOW same AS (PARTITION BY fingerprint ORDER BY began, id)
    ) AS stored
    WINDOW same AS (PARTITION BY fingerprint ORDER BY began, id)
) AS replayed
GROUP BY 1, 2, 3
) TO STDOUT
"""
_TYPES: Final = ("text", "bool", "int8", "int8", "int8", "numeric", "numeric")
_PRICED: Final = "(a.fingerprint IS NOT NULL AND a.cost_usd IS NOT NULL)"
_DRAWN: Final = "hashint8extended(a.fingerprint, 0) < %(below)s"
_GROUP: Final = f"hashint8extended(fingerprint, 1) & {GROUPS - 1}"


@dataclass(frozen=True, slots=True)
class CacheQuestion:
    """Which calls would have had the cache, and for how long it keeps an answer.

    where: dimension of calls → value. end is exclusive.
    """

    ttl_s: int
    start: dt.datetime
    end: dt.datetime
    where: Mapping[str, Any] = field(default_factory=dict)

    def scope(self) -> tuple[sql.Composed, dict[str, Any]]:
        """Return the condition of their rows, and its parameters."""
        conditions, values = matching(self.where)
        ids = sql.SQL("a.id >= %(first)s AND a.id < %(last)s")
        values["first"] = first_uuid7_at(self.start)
        values["last"] = first_uuid7_at(self.end)
        return sql.SQL(" AND ").join([ids, conditions]), values


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAnswer(Answer):
    """Counts are of calls; of a row's, the latter are hits.

    calls: all that were asked about; fingerprinted: those of which is known whether they
    asked for the same. hits: those that would have been; were_hits: those that were.
    """

    calls: int
    fingerprinted: int
    hits: int
    were_hits: int

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


@dataclass(slots=True)
class _Part:
    """Calls that were read: the frequent ones, or those that were drawn of the rest."""

    groups: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    calls: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    hits: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    costs: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    tried: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )

    def add(
        self,
        model: str,
        group: int,
        calls: int,
        hits: int,
        actual: Decimal,
        tried: Decimal,
    ) -> None:
        """Take in the calls of one model in one group."""
        before, after = self.groups.get(group, (Decimal(0), Decimal(0)))
        self.groups[group] = (before + actual, after + tried)
        self.calls[model] += calls
        self.hits[model] += hits
        self.costs[model] += actual
        self.tried[model] += tried

    @property
    def actual_usd(self) -> Decimal:
        """What its calls cost."""
        return sum(self.costs.values(), Decimal(0))


def what_if_cached(question: CacheQuestion, *, most: int = MOST_ROWS) -> CacheAnswer:
    """Return what a question's calls would have cost. most: calls to read.

    Requests that are frequent are read however many they are.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TIMEOUT)
        known = _known(cursor, question)
        drawn = Draw()
        often: list[int] = []
        if known.population > most:
            often, found = _often(
                cursor, question, draw(known.population, most // _LOOKED_AT)
            )
            least = most // _LOOKED_AT
            drawn = draw(max(known.population - found, 0), max(most - found, least))
        frequent, rest = _replayed(cursor, question, drawn, often)
    return _answer(question, known, drawn, frequent, rest)


def _run(cursor: Any, text: str, question: CacheQuestion, **values: Any) -> list[Any]:
    scope, named = question.scope()
    query = sql.SQL(text).format(scope=scope, priced=sql.SQL(_PRICED))
    cursor.execute(query, {**named, **values})
    return list(cursor.fetchall())


def _known(cursor: Any, question: CacheQuestion) -> _Known:
    (row,) = _run(cursor, _KNOWN, question)
    return _Known(*row)


def _often(cursor: Any, question: CacheQuestion, looked: Draw) -> tuple[list[int], int]:
    """Return the frequent requests, and how many calls they are at a guess."""
    rows = _run(cursor, _OFTEN, question, looked=looked.below, frequent=_FREQUENT)
    seen = sum(calls for _, calls in rows)
    return sorted(found for found, _ in rows), round(seen / looked.share)


def _replayed(
    cursor: Any, question: CacheQuestion, drawn: Draw, often: list[int]
) -> tuple[_Part, _Part]:
    scope, values = question.scope()
    query = sql.SQL(_REPLAYED).format(
        scope=scope,
        priced=sql.SQL(_PRICED),
        group=sql.SQL("0" if drawn.is_whole else _GROUP),
        drawn=sql.SQL("true" if drawn.is_whole else _DRAWN),
    )
    values |= {"ttl_s": question.ttl_s, "often": often, "below": drawn.below}
    frequent, rest = _Part(), _Part()
    # A cursor's own errors are Django's; those of a copy are not.
    with connection.wrap_database_errors, cursor.copy(query, values) as copy:
        copy.set_types(_TYPES)
        for model, is_frequent, *figures in copy.rows():
            (frequent if is_frequent else rest).add(model, *figures)
    return frequent, rest


def _answer(
    question: CacheQuestion, known: _Known, drawn: Draw, frequent: _Part, rest: _Part
) -> CacheAnswer:
    part = estimated(drawn, rest.groups, known=known.actual_usd - frequent.actual_usd)
    of_frequent = sum(frequent.calls.values())
    of_rest = sum(rest.calls.values())
    times = Decimal(known.population - of_frequent) / of_rest if of_rest else Decimal(1)
    rows = [
        ModelRow(
            model,
            round(frequent.calls[model] + rest.calls[model] * times),
            round_usd(frequent.costs[model] + rest.costs[model] * part.scale),
            round(frequent.hits[model] + rest.hits[model] * times),
            round_usd(frequent.tried[model] + rest.tried[model] * part.scale),
        )
        for model in sorted({*frequent.calls, *rest.calls})
    ]
    return CacheAnswer(
        start=question.start,
        end=question.end,
        actual_usd=known.actual_usd,
        estimate=part.plus(sum(frequent.tried.values(), Decimal(0))),
        exact=drawn.is_whole,
        population=known.population,
        sampled=of_frequent + of_rest,
        unpriced=known.fingerprinted - known.population,
        rows=dearest_first(rows),
        calls=known.calls,
        fingerprinted=known.fingerprinted,
        hits=sum(row.what_if_count for row in rows),
        were_hits=known.were_hits,
    )
