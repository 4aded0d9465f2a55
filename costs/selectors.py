"""Reads of the ledger: calls from the facts, sums from where `sources` says."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from psycopg import sql

from costs.models import BILL_PART, Attempt, Call, Price, Score
from costs.rollups import merge, quantile
from costs.sources import TIMES, Source, ceiling, floor, source_of
from devora_ops.common.ids import first_uuid7_at

# More than any deadline allows: an attempt begins within it after its call.
_LONGEST_CALL: Final = dt.timedelta(days=1)

Fact = TypeVar("Fact", Call, Attempt)


@dataclass(frozen=True, slots=True)
class Slice:
    """What part of the ledger is asked about; end is exclusive.

    where: dimension → value.
    """

    start: dt.datetime
    end: dt.datetime
    where: Mapping[str, Any]

    def widened(self) -> "Slice":
        """Return the slice with its ends on bucket borders: rollups know no finer."""
        return Slice(floor(self.start), ceiling(self.end), self.where)


@dataclass(frozen=True, slots=True)
class Spend:
    """One row of a cost summary; keys has the value of each dimension asked for."""

    keys: Mapping[str, Any]
    calls: int
    attempts: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal
    saved_usd: Decimal
    unpriced: int
    scored: int
    score_sum: Decimal

    @property
    def quality_score(self) -> Decimal | None:
        """Return the mean score of the calls that somebody judged, 0 to 10."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def unattributed(self) -> list[str]:
        """Return the dimensions of which the calls had none: no prompt, no user."""
        return [name for name, value in self.keys.items() if value in _NONE]


_NONE: Final = ("", 0)  # a name, and a prompt's version
_MEASURES = (
    "calls",
    "attempts",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "saved_usd",
    "unpriced",
    "scored",
    "score_sum",
)
_SUMS = sql.SQL(", ").join(
    sql.SQL("coalesce(sum({0}), 0) AS {0}").format(sql.Identifier(name))
    for name in _MEASURES
)


def spend_by(
    by: Sequence[str], part: Slice, *, zone: ZoneInfo, limit: int
) -> list[Spend]:
    """Return what was spent per value of some dimensions, dearest first.

    by: names of DIMENSIONS and TIMES; local hours and days of zone, as ISO texts. So
    many rows at most; those that lack a value are not cut with the cheap ones, but as
    many of them come besides.
    Raises DimensionsApart when by and part.where name what is only together in facts,
    for more than their reach.
    """
    source = _source(part, by)
    groups = [_group(name, source) for name in by]
    summed = sql.SQL(
        "SELECT {groups} {sums} FROM {table} WHERE {conditions} {grouping}"
    ).format(
        groups=sql.SQL("").join(
            sql.SQL("{} AS {}, ").format(group, _key(name))
            for name, group in zip(by, groups, strict=True)
        ),
        sums=_SUMS,
        table=source.rows,
        conditions=_conditions(part, source),
        grouping=_grouping(len(by)),
    )
    query = _RANKED.format(
        columns=sql.SQL(", ").join([*map(_key, by), *map(sql.Identifier, _MEASURES)]),
        lacks=_lacks(by),
        summed=summed,
    )
    rows = _rows(query, {**_values(part), "zone": str(zone), "limit": limit})
    return [_spend(by, row, zone) for row in rows]


_RANKED: Final = sql.SQL(
    "SELECT {columns} FROM (SELECT *, row_number() OVER by_cost AS place, "
    "row_number() OVER of_those AS place_of_those "
    "FROM (SELECT *, {lacks} AS lacks FROM ({summed}) AS summed) AS named "
    "WINDOW by_cost AS (ORDER BY cost_usd DESC, calls DESC), "
    "of_those AS (PARTITION BY lacks ORDER BY cost_usd DESC, calls DESC)) AS ranked "
    "WHERE place <= %(limit)s OR lacks AND place_of_those <= %(limit)s ORDER BY place"
)


def _key(name: str) -> sql.Identifier:
    return sql.Identifier(f"by_{name}")


def _lacks(by: Sequence[str]) -> sql.Composable:
    """Write whether one of a row's keys stands for none."""
    parts = [
        sql.SQL("{} = {}").format(_key(name), 0 if name == "prompt_version" else "")
        for name in by
        if name not in TIMES
    ]
    return sql.SQL(" OR ").join([*parts, sql.SQL("false")])


def total_spend(part: Slice, by: Sequence[str] = ()) -> Spend:
    """Return the sum of a slice, read where spend_by reads the rows that it is of."""
    source = _source(part, by)
    query = sql.SQL("SELECT {sums} FROM {table} WHERE {conditions}").format(
        sums=_SUMS, table=source.rows, conditions=_conditions(part, source)
    )
    return Spend({}, *_rows(query, _values(part))[0])


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Three percentiles in milliseconds; None when nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """How a slice went: sums, calls by status, and how long successful calls took."""

    total: Spend
    by_status: Mapping[str, int]
    cacheable: int
    latency_ms: Quantiles
    ttft_ms: Quantiles

    @property
    def success_rate(self) -> float | None:
        """Return the share of answered calls among those no budget blocked."""
        answered = self.by_status.get("ok", 0) + self.by_status.get("cached", 0)
        asked = sum(self.by_status.values()) - self.by_status.get("blocked", 0)
        return answered / asked if asked else None

    @property
    def cache_hit_rate(self) -> float | None:
        """Return the share of cache hits among calls that could have hit."""
        hits = self.by_status.get("cached", 0)
        return hits / self.cacheable if self.cacheable else None


def overview(part: Slice) -> Overview:
    """Return the figures of the overview."""
    source = _source(part)
    query = sql.SQL(
        "SELECT status, sum(calls), sum(cacheable), {latency}, {ttft} "
        "FROM {table} WHERE {conditions} GROUP BY status"
    ).format(
        latency=source.latency,
        ttft=source.ttft,
        table=source.rows,
        conditions=_conditions(part, source),
    )
    rows = _rows(query, _values(part))
    return Overview(
        total=total_spend(part),
        by_status={row[0]: int(row[1]) for row in rows if row[1]},
        cacheable=int(sum(row[2] for row in rows)),
        latency_ms=_quantiles(row[3] for row in rows),
        ttft_ms=_quantiles(row[4] for row in rows),
    )


def calls_in(part: Slice) -> QuerySet[Call]:
    """Return the calls of a slice; bounds on the id leave other months untouched."""
    columns = {"user": "end_user"}
    return during(Call.objects.all(), part.start, part.end).filter(
        **{columns.get(name, name): value for name, value in part.where.items()},
    )


def attempts_of(call: Call) -> QuerySet[Attempt]:
    """Return the upstream tries of a call, in order."""
    return Attempt.objects.filter(call_id=call.id).order_by("number")


def calls_by(name: str, part: Slice, **where: Any) -> dict[Any, int]:
    """Return how many calls each value of a dimension has, in any order.

    where: dimension → value, besides those of the slice.
    """
    part = Slice(part.start, part.end, {**part.where, **where})
    source = _source(part, [name])
    query = sql.SQL(
        "SELECT {group}, sum(calls) FROM {table} WHERE {conditions} GROUP BY 1"
    ).format(
        group=_group(name, source),
        table=source.rows,
        conditions=_conditions(part, source),
    )
    return {value: int(calls) for value, calls in _rows(query, _values(part))}


def attempts_in(part: Slice) -> QuerySet[Attempt]:
    """Return the attempts of a slice's calls, each with its `part` of the bill."""
    columns = {"user": "end_user"}
    attempts = during(Attempt.objects.annotate(part=BILL_PART), part.start, part.end)
    return attempts.filter(
        **{columns.get(name, name): value for name, value in part.where.items()}
    )


def during(
    facts: QuerySet[Fact], start: dt.datetime, end: dt.datetime
) -> QuerySet[Fact]:
    """Return the calls, or the attempts of the calls, that began between two moments.

    Attempts count in the time of their call, as in the rollups, and begin soon after it:
    bounds on their own ids leave other months untouched.
    """
    first, last = first_uuid7_at(start), first_uuid7_at(end)
    if facts.model is Call:
        return facts.filter(id__gte=first, id__lt=last)
    late = first_uuid7_at(end + _LONGEST_CALL)
    of_calls = {"call_id__gte": first, "call_id__lt": last}
    return facts.filter(id__gte=first, id__lt=late, **of_calls)


def score_of(call: Call) -> Decimal | None:
    """Return how good a call's answer was, 0 to 10; None while nobody judged it."""
    return Score.objects.filter(pk=call.id).values_list("value", flat=True).first()


def prices_of(model: str | None, *, at: dt.datetime | None) -> QuerySet[Price]:
    """Return price rows: of one model or all, ever or in force at a moment."""
    prices = Price.objects.filter(model=model) if model else Price.objects.all()
    if at is None:
        return prices
    begun = Price.objects.filter(valid_from__lte=at)
    newer = begun.filter(model=OuterRef("model"), valid_from__gt=OuterRef("valid_from"))
    return prices.filter(valid_from__lte=at).exclude(Exists(newer))


def _source(part: Slice, by: Sequence[str] = ()) -> Source:
    return source_of([*by, *part.where], start=part.widened().start)


def _group(name: str, source: Source) -> sql.Composable:
    if name not in TIMES:
        return source.columns[name]
    # Every offset is a multiple of a bucket, so local hours and days are exact.
    unit = sql.Literal(name)
    return sql.SQL("date_trunc({}, bucket, %(zone)s)").format(unit)


def _grouping(count: int) -> sql.Composable:
    if not count:
        return sql.SQL("")
    places = sql.SQL(", ").join(sql.Literal(n + 1) for n in range(count))
    return sql.SQL("GROUP BY {}").format(places)


def _conditions(part: Slice, source: Source) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("bucket >= %(start)s"),
        sql.SQL("bucket < %(end)s"),
    ]
    conditions += [
        sql.SQL("{} = {}").format(
            source.columns[name], sql.Placeholder(f"where_{name}")
        )
        for name in part.where
    ]
    return sql.SQL(" AND ").join(conditions)


def _values(part: Slice) -> dict[str, Any]:
    wide = part.widened()
    named = {f"where_{name}": value for name, value in part.where.items()}
    return {"start": wide.start, "end": wide.end, **named}


def _spend(by: Sequence[str], row: Sequence[Any], zone: ZoneInfo) -> Spend:
    keys = {
        name: value.astimezone(zone) if name in TIMES else value
        for name, value in zip(by, row, strict=False)
    }
    return Spend(keys, *row[len(by) :])


def _quantiles(histograms: Iterable[Sequence[int]]) -> Quantiles:
    merged = merge(histograms)
    return Quantiles(*(quantile(merged, q) for q in (0.5, 0.95, 0.99)))


def _rows(query: sql.Composed, values: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
