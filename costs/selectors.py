"""Reads of the ledger: calls from the facts, every sum from the rollups."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet
from psycopg import sql

from costs.models import Attempt, Call
from costs.rollups import merge, quantile
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.ids import first_uuid7_at

# Each dimension's column, by the rollup family that has it.
_SHARED = {"team": "team", "agent": "agent", "model": "model", "status": "status"}
_FAMILIES: Final[dict[str, dict[str, str]]] = {
    "costs_rollup_work": {
        **_SHARED,
        "prompt": "prompt",
        "prompt_version": "prompt_version",
        "variant": "variant",
    },
    "costs_rollup_who": {**_SHARED, "user": "end_user", "key": "key"},
}
TIMES: Final = ("hour", "day")
DIMENSIONS: Final = tuple(dict.fromkeys(d for f in _FAMILIES.values() for d in f))
_BUCKET = dt.timedelta(minutes=15)


class DimensionsApart(InvalidRequest):
    """No rollup family has all of these dimensions."""

    code = "invalid"


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
        start = dt.datetime.min.replace(tzinfo=dt.UTC)
        begin = self.start - (self.start - start) % _BUCKET
        end = self.end + (start - self.end) % _BUCKET
        return Slice(begin, end, self.where)


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


_MEASURES = (
    "calls",
    "attempts",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "saved_usd",
    "unpriced",
)
_SUMS = sql.SQL(", ").join(
    sql.SQL("coalesce(sum({0}), 0) AS {0}").format(sql.Identifier(name))
    for name in _MEASURES
)


def spend_by(
    by: Sequence[str], part: Slice, *, zone: ZoneInfo, limit: int
) -> list[Spend]:
    """Return what was spent per value of some dimensions, dearest first.

    by: names of DIMENSIONS and TIMES; local hours and days of zone, as ISO texts.
    Raises DimensionsApart when by and part.where name dimensions of both families.
    """
    table, columns = _family([*by, *part.where])
    groups = [_group(name, columns) for name in by]
    query = sql.SQL(
        "SELECT {groups} {sums} FROM {table} WHERE {conditions} {grouping} "
        "ORDER BY cost_usd DESC, calls DESC LIMIT %(limit)s"
    ).format(
        groups=sql.SQL("").join(sql.SQL("{}, ").format(group) for group in groups),
        sums=_SUMS,
        table=sql.Identifier(table),
        conditions=_conditions(part, columns),
        grouping=_grouping(len(by)),
    )
    rows = _rows(query, {**_values(part), "zone": str(zone), "limit": limit})
    return [_spend(by, row, zone) for row in rows]


def total_spend(part: Slice) -> Spend:
    """Return the sum of a slice."""
    return spend_by((), part, zone=ZoneInfo("UTC"), limit=1)[0]


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
    table, columns = _family(list(part.where))
    query = sql.SQL(
        "SELECT status, sum(calls), sum(cacheable), costs_histogram_sum(latency), "
        "costs_histogram_sum(ttft) FROM {table} WHERE {conditions} GROUP BY status"
    ).format(table=sql.Identifier(table), conditions=_conditions(part, columns))
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
    return Call.objects.filter(
        id__gte=first_uuid7_at(part.start),
        id__lt=first_uuid7_at(part.end),
        **{columns.get(name, name): value for name, value in part.where.items()},
    )


def attempts_of(call: Call) -> QuerySet[Attempt]:
    """Return the upstream tries of a call, in order."""
    return Attempt.objects.filter(call_id=call.id).order_by("number")


def _family(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    wanted = set(names) - set(TIMES)
    for table, columns in _FAMILIES.items():
        if wanted <= columns.keys():
            return table, columns
    raise DimensionsApart(
        "Users and keys are summed apart from prompts and variants: ask for one or "
        "the other.",
        param="by",
    )


def _group(name: str, columns: Mapping[str, str]) -> sql.Composable:
    if name not in TIMES:
        return sql.Identifier(columns[name])
    # Every offset is a multiple of a bucket, so local hours and days are exact.
    unit = sql.Literal(name)
    return sql.SQL("date_trunc({}, bucket, %(zone)s)").format(unit)


def _grouping(count: int) -> sql.Composable:
    if not count:
        return sql.SQL("")
    places = sql.SQL(", ").join(sql.Literal(n + 1) for n in range(count))
    return sql.SQL("GROUP BY {}").format(places)


def _conditions(part: Slice, columns: Mapping[str, str]) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("bucket >= %(start)s"),
        sql.SQL("bucket < %(end)s"),
    ]
    conditions += [
        sql.SQL("{} = {}").format(
            sql.Identifier(columns[name]), sql.Placeholder(f"where_{name}")
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
