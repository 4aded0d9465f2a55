"""Proof that the counters, the rollups and the facts say the same."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db import connection

# The demo's team is nobody's spend; its history is loaded without holds.
_NOT_DEMO = "team NOT IN (SELECT slug FROM ops_team WHERE is_demo)"

_COUNTERS = """
WITH held AS (
    SELECT c AS counter, sum(amount) AS amount
    FROM costs_hold, unnest(counters) AS c GROUP BY 1
), spent AS (
    SELECT c AS counter, sum(coalesce(cost_usd, 0)) AS amount
    FROM costs_attempt, unnest(counters) AS c GROUP BY 1
)
SELECT b.name, k.period_start, k.held, coalesce(h.amount, 0),
       k.spent, coalesce(s.amount, 0)
FROM costs_counter AS k JOIN costs_budget AS b ON b.id = k.budget_id
LEFT JOIN held AS h ON h.counter = k.id LEFT JOIN spent AS s ON s.counter = k.id
WHERE k.held <> coalesce(h.amount, 0) OR k.spent <> coalesce(s.amount, 0)
"""

_OLD_HOLDS = """
SELECT attempt_id, created_at FROM costs_hold
WHERE created_at < now() - interval '11 minutes' ORDER BY created_at LIMIT 100
"""

_TOTALS = f"""
SELECT
    (SELECT coalesce(sum(cost_usd), 0) FROM costs_attempt WHERE {_NOT_DEMO})
        + (SELECT coalesce(sum(cost_usd), 0) FROM costs_adjustment WHERE {_NOT_DEMO}),
    (SELECT coalesce(sum(cost_usd), 0) FROM costs_rollup_work WHERE {_NOT_DEMO}),
    (SELECT coalesce(sum(cost_usd), 0) FROM costs_rollup_who WHERE {_NOT_DEMO}),
    (SELECT count(*) FROM costs_call WHERE {_NOT_DEMO}),
    (SELECT coalesce(sum(calls), 0) FROM costs_rollup_work WHERE {_NOT_DEMO}),
    (SELECT coalesce(sum(calls), 0) FROM costs_rollup_who WHERE {_NOT_DEMO}),
    (SELECT count(*) FROM costs_attempt WHERE {_NOT_DEMO}),
    (SELECT coalesce(sum(attempts), 0) FROM costs_rollup_work WHERE {_NOT_DEMO})
"""

_SCORES = f"""
WITH scores AS (
    SELECT count(*) AS n, coalesce(sum(s.value), 0) AS total
    FROM costs_score AS s JOIN costs_call AS c ON c.id = s.call_id
    WHERE c.{_NOT_DEMO}
), work AS (
    SELECT coalesce(sum(scored), 0) AS n, coalesce(sum(score_sum), 0) AS total
    FROM costs_rollup_work WHERE {_NOT_DEMO}
), who AS (
    SELECT coalesce(sum(scored), 0) AS n, coalesce(sum(score_sum), 0) AS total
    FROM costs_rollup_who WHERE {_NOT_DEMO}
)
SELECT scores.n, work.n, who.n, scores.total, work.total, who.total
FROM scores, work, who
"""

_CALLS = f"""
SELECT c.id, c.cost_usd, a.cost_usd
FROM costs_call AS c
JOIN (SELECT call_id, sum(cost_usd) AS cost_usd FROM costs_attempt GROUP BY 1) AS a
  ON a.call_id = c.id
WHERE c.{_NOT_DEMO} AND c.cost_usd IS DISTINCT FROM a.cost_usd LIMIT 100
"""

_ORPHANS = f"""
SELECT a.id, a.call_id FROM costs_attempt AS a
LEFT JOIN costs_call AS c ON c.id = a.call_id
WHERE a.{_NOT_DEMO} AND c.id IS NULL
  AND a.settled_at < now() - interval '11 minutes' LIMIT 100
"""


def discrepancies() -> Iterator[str]:
    """Yield a sentence for each thing that does not add up.

    Reads in one snapshot, so that calls which settle meanwhile change nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute("SET LOCAL statement_timeout = 0")
            yield from _counters(_rows(cursor, _COUNTERS))
            yield from _old_holds(_rows(cursor, _OLD_HOLDS))
            yield from _totals(_rows(cursor, _TOTALS)[0])
            yield from _scores(_rows(cursor, _SCORES)[0])
            for call, said, summed in _rows(cursor, _CALLS):
                yield f"call {call} says ${said}, its attempts come to ${summed}"
            for attempt, call in _rows(cursor, _ORPHANS):
                yield f"attempt {attempt} belongs to call {call}, which is missing"
        finally:
            cursor.execute("ROLLBACK")


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def _counters(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    for name, start, held, holds, spent, attempts in rows:
        where = f"budget {name!r} from {start:%Y-%m-%d}"
        if held != holds:
            yield f"{where}: counter holds ${held}, open holds come to ${holds}"
        if spent != attempts:
            yield f"{where}: counter spent ${spent}, attempts come to ${attempts}"


def _old_holds(rows: list[tuple[Any, dt.datetime]] | list[Any]) -> Iterator[str]:
    for attempt, since in rows:
        yield f"hold {attempt} is open since {since.isoformat()}: the sweeper is late"


def _totals(row: tuple[Any, ...]) -> Iterator[str]:
    cost, cost_work, cost_who, calls, calls_work, calls_who, attempts, attempts_work = (
        row
    )
    yield from _compared(
        ("cost", cost, cost_work, "work"),
        ("cost", cost, cost_who, "who"),
        ("calls", calls, calls_work, "work"),
        ("calls", calls, calls_who, "who"),
        ("attempts", attempts, attempts_work, "work"),
    )


def _scores(row: tuple[Any, ...]) -> Iterator[str]:
    scored, scored_work, scored_who, points, points_work, points_who = row
    yield from _compared(
        ("scores", scored, scored_work, "work"),
        ("scores", scored, scored_who, "who"),
        ("sum of scores", points, points_work, "work"),
        ("sum of scores", points, points_who, "who"),
    )


def _compared(*pairs: tuple[str, Any, Any, str]) -> Iterator[str]:
    for what, fact, rollup, table in pairs:
        if Decimal(fact) != Decimal(rollup):
            yield f"{what}: facts come to {fact}, rollup {table} to {rollup}"
