"""The ledger as rows for other programs: every attempt, and what repricing added."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from devora_ops.common.ids import first_uuid7_at, uuid7_time

_BATCH = 5000

_COLUMNS = (
    "attempt_id",
    "call_id",
    "agent",
    "provider",
    "model",
    "state",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "estimated",
    "started",
    "settled",
    "anomaly",
)

_ATTEMPTS = """
SELECT id, call_id, agent, provider, model, state, input_tokens, cache_read_tokens,
       output_tokens, cost_usd, estimated, id, settled_at, anomaly
FROM costs_attempt WHERE id >= %s
UNION ALL
SELECT attempt_id, call_id, facts -> 'who' ->> 'agent', facts ->> 'provider',
       facts ->> 'model', 'held', 0, 0, 0, amount, true, attempt_id, NULL, ''
FROM costs_hold WHERE attempt_id >= %s
ORDER BY 1
"""
# No attempt is rewritten: what it costs by today's book is what it cost and these.
_ADJUSTMENTS = """
SELECT NULL, NULL, agent, split_part(model, '/', 1), model, 'adjustment', 0, 0, 0,
       cost_usd, false, bucket, posted_at, ''
FROM costs_adjustment WHERE posted_at >= %s ORDER BY posted_at, id
"""


def ledger_rows(since: dt.datetime) -> Iterator[dict[str, Any]]:
    """Yield attempts begun since a moment, oldest first, then adjustments posted since.

    A held one shows the amount that is set aside as its (estimated) cost. An adjustment
    is of no attempt by itself, but of those that began in a quarter of an hour.
    """
    start = first_uuid7_at(since)
    # A cursor of the server's, so that a year of attempts needs no year of memory.
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_ATTEMPTS, [start, start])
        while rows := cursor.fetchmany(_BATCH):
            for row in rows:
                yield _as_json(dict(zip(_COLUMNS, row, strict=True)))
        cursor.execute(_ADJUSTMENTS, [since])
        for row in cursor:
            yield _as_json(dict(zip(_COLUMNS, row, strict=True)))


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    settled, cost, began = row["settled"], row["cost_usd"], row["started"]
    if not isinstance(began, dt.datetime):
        began = uuid7_time(began)
    ids = {name: row[name] and str(row[name]) for name in ("attempt_id", "call_id")}
    return (
        row
        | ids
        | {
            "cost_usd": None if cost is None else f"{cost:f}",
            "started": began.isoformat(),
            "settled": None if settled is None else settled.isoformat(),
        }
    )
