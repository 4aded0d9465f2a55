"""What the charts and tiles read: sums over the rollups, never over the facts.

One trick serves every range: Postgres finds a row's place among the window's edges by
`width_bucket`, so minutes, quarters of an hour and local days of 23 or 25 hours are the
same statement. Place 1 is the previous period, place 2 the gap after it, and the
window's buckets follow.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from psycopg import sql

from devora_ops.dashboard.filters import DIMENSIONS, Scope
from devora_ops.dashboard.measures import (
    OTHER,
    Histogram,
    Latencies,
    Series,
    SpendPace,
    Sums,
    Totals,
)
from devora_ops.dashboard.windows import Window

_TIMEOUT_MS: Final = "4000"
_PREVIOUS, _FIRST = 1, 3
_MOST_SERIES: Final = 6

Row = tuple[Any, ...]


# --- Statements -------------------------------------------------------------------
_SCOPE = sql.SQL(" AND ").join(
    sql.SQL(
        "(cardinality({wanted}::text[]) = 0 OR {column} = ANY({wanted}))"
        " AND NOT {column} = ANY({unwanted}::text[])"
    ).format(
        column=sql.Identifier(name),
        wanted=sql.Placeholder(name),
        unwanted=sql.Placeholder(f"not_{name}"),
    )
    for name in DIMENSIONS
)
_WHERE = sql.SQL(
    "(bucket >= %(start)s AND bucket <= %(end)s OR"
    " bucket >= %(previous_start)s AND bucket < %(previous_end)s) AND "
)
_PLACE = sql.SQL("width_bucket(bucket, %(edges)s::timestamptz[])")
_SUMMED: Final = tuple(f.name for f in fields(Sums) if f.name != "statuses")
_METRIC_COLUMNS = {
    "cost": sql.SQL("sum(cost_usd)"),
    "calls": sql.SQL("sum(calls)"),
    "tokens": sql.SQL("sum(input_tokens + output_tokens)"),
}


def _sums(table: str) -> sql.Composed:
    measures = sql.SQL(", ").join(
        sql.SQL("sum({})" if name.endswith("_usd") else "sum({})::bigint").format(
            sql.Identifier(name)
        )
        for name in ("calls", *_SUMMED)
    )
    return sql.SQL(
        "SELECT {place}, status, {measures} FROM {table} WHERE {where}{scope} GROUP BY 1, 2"
    ).format(
        place=_PLACE,
        measures=measures,
        table=sql.Identifier(table),
        where=_WHERE,
        scope=_SCOPE,
    )


def _histograms(table: str) -> sql.Composed:
    return sql.SQL(
        "SELECT place, array_agg((bin << 40) + n ORDER BY bin) FROM ("
        " SELECT {place} AS place, packed >> 40 AS bin,"
        " sum(packed & 1099511627775)::bigint AS n"
        " FROM {table}, unnest(latency) AS packed WHERE {where}{scope} GROUP BY 1, 2"
        ") AS bins GROUP BY place"
    ).format(
        place=_PLACE,
        table=sql.Identifier(table),
        where=_WHERE,
        scope=_SCOPE,
    )


def _series(table: str, by: str, metric: str) -> sql.Composed:
    return sql.SQL(
        "SELECT {by}, {place}, {value} FROM {table} WHERE {where}{scope} GROUP BY 1, 2"
    ).format(
        by=sql.Identifier(by),
        place=_PLACE,
        value=_METRIC_COLUMNS[metric],
        table=sql.Identifier(table),
        where=_WHERE,
        scope=_SCOPE,
    )


def _facet(table: str, dimension: str) -> sql.Composed:
    return sql.SQL(
        "SELECT {0}, sum(calls) FROM {1} WHERE bucket >= %(start)s"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    ).format(sql.Identifier(dimension), sql.Identifier(table))


# --- Reads ------------------------------------------------------------------------
def totals(scope: Scope, window: Window) -> Totals:
    """Add up the calls of a window, bucket by bucket."""
    found: defaultdict[int, Sums] = defaultdict(Sums)
    rows = fetch(_sums(_table(window)), _parameters(scope, window))
    for place, status, calls, *measures in rows:
        added: dict[str, Any] = dict(zip(_SUMMED, measures, strict=True))
        found[place] += Sums(statuses=Counter({status: calls}), **added)
    return Totals(found[_PREVIOUS], _in_order(found, window, Sums()))


def latencies(scope: Scope, window: Window) -> Latencies:
    """Merge the histograms of a window, bucket by bucket."""
    statement = _histograms(_table(window))
    found: dict[int, Histogram] = dict(fetch(statement, _parameters(scope, window)))
    return Latencies(found.get(_PREVIOUS, []), _in_order(found, window, []))


def first_tokens(scope: Scope, window: Window) -> Histogram:
    """Merge how long streams took to their first token, over the whole window."""
    statement = sql.SQL(
        "SELECT array_agg((bin << 40) + n ORDER BY bin) FROM ("
        " SELECT packed >> 40 AS bin, sum(packed & 1099511627775)::bigint AS n"
        " FROM {}, unnest(ttft) AS packed WHERE bucket >= %(start)s AND {}"
        " GROUP BY 1) AS bins"
    ).format(sql.Identifier(_table(window)), _SCOPE)
    rows = fetch(statement, _scope(scope) | {"start": window.start})
    merged: Histogram = rows[0][0] or []
    return merged


def series(scope: Scope, window: Window, *, by: str, metric: str) -> list[Series]:
    """Split a metric by a dimension: the six largest of the window and the rest."""
    statement = _series(_table(window), by, metric)
    found: defaultdict[str, dict[int, Decimal]] = defaultdict(dict)
    for key, place, value in fetch(statement, _parameters(scope, window)):
        found[key][place] = Decimal(value)
    everything = [
        Series(
            key, _in_order(places, window, Decimal(0)), places.get(_PREVIOUS, Decimal())
        )
        for key, places in found.items()
    ]
    shown = [one for one in everything if one.total]
    shown.sort(key=lambda one: (-one.total, one.key))
    return shown[:_MOST_SERIES] + _rest(shown[_MOST_SERIES:])


def facet(window: Window, dimension: str) -> list[tuple[str, int]]:
    """Return the values of a dimension in the window with their calls, most first."""
    if dimension not in DIMENSIONS:
        raise ValueError(dimension)
    rows = fetch(_facet(_table(window), dimension), {"start": window.start})
    return [(value, int(calls)) for value, calls in rows]


def spend_pace(
    scope: Scope, *, month_start: dt.datetime, now: dt.datetime
) -> SpendPace:
    """Add up what calls cost this month and in the last seven days."""
    statement = sql.SQL(
        "SELECT coalesce(sum(cost_usd) FILTER (WHERE bucket >= %(month)s), 0),"
        " coalesce(sum(cost_usd) FILTER (WHERE bucket >= %(week)s), 0),"
        " coalesce(min(bucket) < %(settled)s, false)"
        " FROM costs_rollup_work WHERE bucket >= least(%(month)s, %(week)s) AND {}"
    ).format(_SCOPE)
    moments = {
        "month": month_start,
        "week": now - dt.timedelta(days=7),
        "settled": now - dt.timedelta(days=3),
    }
    return SpendPace(*fetch(statement, _scope(scope) | moments)[0])


def calls_since(scope: Scope, start: dt.datetime) -> int:
    """Count the calls since a minute of the last three hours."""
    statement = sql.SQL(
        "SELECT coalesce(sum(calls), 0) FROM costs_rollup_minute"
        " WHERE bucket >= %(start)s AND {}"
    ).format(_SCOPE)
    return int(fetch(statement, _scope(scope) | {"start": start})[0][0])


def fetch(statement: sql.Composable, parameters: Mapping[str, Any]) -> list[Row]:
    """Run a read that may take four seconds at most."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true)", [_TIMEOUT_MS]
        )
        cursor.execute(statement.as_string(cursor.cursor), parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def _table(window: Window) -> str:
    # Minutes are kept for three hours: enough for an hour and the one before it.
    minutes = window.range.resolution == "minute"
    return "costs_rollup_minute" if minutes else "costs_rollup_work"


def _scope(scope: Scope) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name in DIMENSIONS:
        parameters[name] = scope.wanted(name)
        parameters[f"not_{name}"] = scope.unwanted(name)
    return parameters


def _parameters(scope: Scope, window: Window) -> dict[str, Any]:
    return _scope(scope) | {
        "edges": [window.previous_start, window.previous_end, *window.starts],
        "start": window.start,
        "end": window.end,
        "previous_start": window.previous_start,
        "previous_end": window.previous_end,
    }


def _in_order(found: Mapping[int, Any], window: Window, empty: Any) -> tuple[Any, ...]:
    places = range(_FIRST, _FIRST + len(window.starts))
    return tuple(found.get(place, empty) for place in places)


def _rest(small: Iterable[Series]) -> list[Series]:
    gathered = list(small)
    if not gathered:
        return []
    values = zip(*(one.values for one in gathered), strict=True)
    total = sum((one.previous for one in gathered), Decimal(0))
    return [Series(OTHER, tuple(sum(v, Decimal(0)) for v in values), total)]
