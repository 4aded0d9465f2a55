"""How good an answer was: one score a call, in the sums that its call is in."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from costs.models import Call, CallStatus
from costs.rollups import FAMILIES
from costs.sources import floor
from devora_ops.common.errors import InvalidRequest, NotFound, Unprocessable
from devora_ops.common.ids import uuid7_ms, uuid7_time

BEST: Final = 10

_PLACES = Decimal("0.001")
_ANSWERED = (CallStatus.OK, CallStatus.CACHED)
# A call is written a moment after its answer has left.
_JUST_NOW_MS = 5000
_PATIENCE_S = 0.8
_MINUTES_KEPT = dt.timedelta(hours=3)

_INSERT = """
INSERT INTO costs_score (call_id, value, scored_by) VALUES (%s, %s, %s)
ON CONFLICT (call_id) DO NOTHING
"""
_FORMER = "SELECT value FROM costs_score WHERE call_id = %s FOR UPDATE"
_CORRECT = """
UPDATE costs_score SET value = %s, scored_by = %s, scored_at = now() WHERE call_id = %s
"""


@dataclass(frozen=True, slots=True)
class Scored:
    """A call's score as it is now; previous: what it corrected."""

    call_id: uuid.UUID
    value: Decimal
    previous: Decimal | None


def score_record(*, call_id: uuid.UUID, value: float, scored_by: str) -> Scored:
    """Give a call its score, 0 to 10, or correct it; the rollups follow exactly.

    Raises InvalidRequest for another value, NotFound, and Unprocessable for a call
    that had no answer.
    """
    check_score(value)
    score = Decimal(repr(value)).quantize(_PLACES)
    _wait_for(call_id)
    with transaction.atomic(), connection.cursor() as cursor:
        # First: whoever removes calls locks the scores against us, so that none of
        # them is scored once it is gone.
        previous = _write(cursor, call_id, score, scored_by)
        call = _answered(call_id)
        change = score - (previous or 0)
        for statement, values in _additions(call, int(previous is None), change):
            cursor.execute(statement, values)
    return Scored(call_id, score, previous)


def check_score(value: float) -> None:
    """Raise InvalidRequest for what is no score."""
    if not 0 <= value <= BEST:  # NaN is not either
        message = _("A score is a number from 0 to 10.")
        raise InvalidRequest(message, code="invalid", param="value")


def _wait_for(call_id: uuid.UUID) -> None:
    """Let a call be written whose answer has just left."""
    deadline = time.monotonic() + _PATIENCE_S
    while _is_of_now(call_id) and not Call.objects.filter(pk=call_id).exists():
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _is_of_now(call_id: uuid.UUID) -> bool:
    now_ms = timezone.now().timestamp() * 1000
    return call_id.version == 7 and abs(now_ms - uuid7_ms(call_id)) < _JUST_NOW_MS


def _write(
    cursor: CursorWrapper, call_id: uuid.UUID, score: Decimal, scored_by: str
) -> Decimal | None:
    """Write a score; return the one that it replaces."""
    cursor.execute(_INSERT, [call_id, score, scored_by])
    if cursor.rowcount:
        return None
    # Whoever else scores it now waits here for what we add, or we for what they do.
    cursor.execute(_FORMER, [call_id])
    former: Decimal = cursor.fetchone()[0]
    cursor.execute(_CORRECT, [score, scored_by, call_id])
    return former


def _answered(call_id: uuid.UUID) -> Call:
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        raise NotFound(_("There is no such call."), code="call_not_found")
    if call.status not in _ANSWERED:
        message = _("This call had no answer that could be good or bad.")
        raise Unprocessable(message, code="no_answer")
    return call


def _additions(
    call: Call, count: int, change: Decimal
) -> Iterator[tuple[sql.Composed, dict[str, Any]]]:
    """Yield what adds a score to each rollup row that its call is in.

    In the order in which settlements write the tables, or we would wait for each other
    in a ring.
    """
    began = uuid7_time(call.id)
    for table, statement in _ADD.items():
        bucket = floor(began)
        if table == "costs_rollup_minute":
            bucket = began.replace(second=0, microsecond=0)
            if timezone.now() - bucket > _MINUTES_KEPT:
                continue
        keys = {name: getattr(call, name) for name in FAMILIES[table][1:]}
        yield (
            statement,
            {**keys, "bucket": bucket, "scored": count, "score_sum": change},
        )


def _adding(table: str) -> sql.Composed:
    keys = FAMILIES[table]
    columns = (*keys, "scored", "score_sum")
    return sql.SQL(
        "INSERT INTO {table} AS r ({columns}) VALUES ({values}) ON CONFLICT ({keys}) "
        "DO UPDATE SET scored = r.scored + excluded.scored,"
        " score_sum = r.score_sum + excluded.score_sum"
    ).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(map(sql.Placeholder, columns)),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
    )


_ADD: Final = {table: _adding(table) for table in FAMILIES}
