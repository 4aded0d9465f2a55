"""What the charts and tiles read: sums over the rollups, never over the facts.

One trick serves every range: Postgres finds a row's place among the window's edges by
`width_bucket`, so minutes, quarters of an hour and local days of 23 or 25 hours are the
same statement. Place 1 is the previous period, place 2 the gap after it, and the
window's buckets follow.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from psycopg import sql

from devora_ops.dashboard.filters import DIMENSIONS, MENUS, OF_WHO, OF_WORK, Scope
from devora_ops.dashboard.measures import (
    OTHER,
    Histogram,
    Latencies,
    Series,
    Sums,
    Totals,
)
from devora_ops.dashboard.windows import Window

_TIMEOUT_MS: Final = "4000"
_PREVIOUS, _FIRST = 1, 3
_MOST_SERIES: Final = 6

Row = tuple[Any, ...]


# --- Statements -------------------------------------------------------------------
_COLUMNS: Final = {"user": "end_user"}  # where a filter's name is not the column's
# Rollups know variants by name: an experiment's are those of its prompt in its time.
_EXPERIMENT = sql.SQL(
    "EXISTS (SELECT FROM experiments_experiment e"
    " JOIN prompts_prompt p ON p.id = e.prompt_id"
    " JOIN experiments_variant v ON v.experiment_id = e.id"
    " WHERE e.slug = ANY({slugs}::text[]) AND p.slug = prompt AND v.name = variant"
    " AND bucket > e.started_at - interval '15 minutes'"
    " AND bucket < coalesce(e.stopped_at, now()))"
)


def _condition(name: str) -> sql.Composed:
    wanted, unwanted = sql.Placeholder(name), sql.Placeholder(f"not_{name}")
    if name == "exp":
        parts = _EXPERIMENT.format(slugs=wanted), _EXPERIMENT.format(slugs=unwanted)
    else:
        column = sql.Identifier(_COLUMNS.get(name, name))
        is_any = sql.SQL("{column} = ANY({values}::text[])")
        parts = (
            is_any.format(column=column, values=wanted),
            is_any.format(column=column, values=unwanted),
        )
    return sql.SQL("(cardinality({0}::text[]) = 0 OR {1}) AND NOT {2}").format(
        wanted, *parts
    )


def _conditions(left_out: Collection[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        _condition(name) for name in DIMENSIONS if name not in left_out
    )


_SCOPES: Final = {
    "costs_rollup_work": _conditions(OF_WHO),
    "costs_rollup_minute": _conditions(OF_WHO),
    "costs_rollup_who": _conditions(OF_WORK),
}
_WHERE = sql.SQL(
    "(bucket >= %(start)s AND bucket <= %(end)s OR"
    " bucket >= %(previous_start)s AND bucket < %(previous_end)s) AND "
)
_PLACE = sql.SQL("width_bucket(bucket, %(edges)s::timestamptz[])")
_SUMMED: Final = tuple(f.name for f in fields(Sums) if f.name != "statuses")
_EXACT: Final = ("cost_usd", "saved_usd", "score_sum")
_METRIC_COLUMNS = {
    "cost": sql.SQL("sum(cost_usd)"),
    "calls": sql.SQL("sum(calls)"),
    "tokens": sql.SQL("sum(input_tokens + output_tokens)"),
}


def _sums(table: str) -> sql.Composed:
    measures = sql.SQL(", ").join(
        sql.SQL("sum({})" if name in _EXACT else "sum({})::bigint").format(
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
        scope=_SCOPES[table],
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
        scope=_SCOPES[table],
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
        scope=_SCOPES[table],
    )


def _facet(table: str, dimension: str) -> sql.Composed:
    return sql.SQL(
        "SELECT {0}, sum(calls) FROM {1}"
        " WHERE bucket >= %(start)s AND bucket <= %(end)s"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    ).format(sql.Identifier(dimension), sql.Identifier(table))


# --- Reads ------------------------------------------------------------------------
def totals(scope: Scope, window: Window) -> Totals:
    """Add up the calls of a window, bucket by bucket."""
    found: defaultdict[int, Sums] = defaultdict(Sums)
    rows = fetch(_sums(_table(scope, window)), _parameters(scope, window))
    for place, status, calls, *measures in rows:
        added: dict[str, Any] = dict(zip(_SUMMED, measures, strict=True))
        found[place] += Sums(statuses=Counter({status: calls}), **added)
    return Totals(found[_PREVIOUS], _in_order(found, window, Sums()))


def latencies(scope: Scope, window: Window) -> Latencies:
    """Merge the histograms of a window, bucket by bucket."""
    statement = _histograms(_table(scope, window))
    found: dict[int, Histogram] = dict(fetch(statement, _parameters(scope, window)))
    return Latencies(found.get(_PREVIOUS, []), _in_order(found, window, []))


def first_tokens(scope: Scope, window: Window) -> Histogram:
    """Merge how long streams took to their first token, over the whole window."""
    table = _table(scope, window)
    statement = sql.SQL(
        "SELECT array_agg((bin << 40) + n ORDER BY bin) FROM ("
        " SELECT packed >> 40 AS bin, sum(packed & 1099511627775)::bigint AS n"
        " FROM {}, unnest(ttft) AS packed"
        " WHERE bucket >= %(start)s AND bucket <= %(end)s AND {}"
        " GROUP BY 1) AS bins"
    ).format(sql.Identifier(table), _SCOPES[table])
    rows = fetch(statement, _scope(scope) | {"start": window.start, "end": window.end})
    merged: Histogram = rows[0][0] or []
    return merged


def series(scope: Scope, window: Window, *, by: str, metric: str) -> list[Series]:
    """Split a metric by a dimension: the six largest of the window and the rest."""
    statement = _series(_table(scope, window), by, metric)
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
    if dimension not in MENUS:
        raise ValueError(dimension)
    moments = {"start": window.start, "end": window.end}
    rows = fetch(_facet(_table(Scope(), window), dimension), moments)
    return [(value, int(calls)) for value, calls in rows]


def spend_by_day(
    scope: Scope, start: dt.datetime, zone: ZoneInfo
) -> dict[dt.date, Decimal]:
    """Return what calls cost since a moment, by local day."""
    table = _family(scope)
    statement = sql.SQL(
        "SELECT date_trunc('day', bucket, %(zone)s), sum(cost_usd)"
        " FROM {} WHERE bucket >= %(start)s AND {} GROUP BY 1"
    ).format(sql.Identifier(table), _SCOPES[table])
    rows = fetch(statement, _scope(scope) | {"start": start, "zone": str(zone)})
    return {day.astimezone(zone).date(): cost for day, cost in rows}


def calls_since(scope: Scope, start: dt.datetime) -> int | None:
    """Count the calls since a minute of the last three hours.

    None where minutes do not tell: they are summed by what was done, not for whom.
    """
    if scope.asks_for(OF_WHO):
        return None
    statement = sql.SQL(
        "SELECT coalesce(sum(calls), 0) FROM costs_rollup_minute"
        " WHERE bucket >= %(start)s AND {}"
    ).format(_SCOPES["costs_rollup_minute"])
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


def first_bucket(window: Window) -> dt.datetime | None:
    """Return when the sums begin that a window is read from."""
    table = sql.Identifier(_table(Scope(), window))
    rows = fetch(sql.SQL("SELECT min(bucket) FROM {}").format(table), {})
    first: dt.datetime | None = rows[0][0]
    return first


def _table(scope: Scope, window: Window) -> str:
    # Minutes are kept for three hours: enough for an hour and the one before it.
    if window.range.resolution == "minute":
        return "costs_rollup_minute"
    return _family(scope)


def _family(scope: Scope) -> str:
    return "costs_rollup_who" if scope.asks_for(OF_WHO) else "costs_rollup_work"


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
