"""Writing history into the ledger: facts by COPY, their sums by the ledger's own fold."""

import datetime as dt
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from django.db import connection

from costs.facts import Settlement
from costs.posting import COPY_ATTEMPTS, COPY_CALLS, attempt_row, call_row
from costs.rollups import Fold

_MINUTES_KEPT: Final = dt.timedelta(hours=3)
_PARTITIONED: Final = ("costs_call", "costs_attempt", "llm_content")


class HistoryWriter:
    """Writes settlements of the past in the order of their time.

    Nothing is held, no budget is asked and nobody is told: who looks at the live page
    sees what happens now. The caller's transaction makes facts and sums one.
    """

    def __init__(self, *, now: dt.datetime) -> None:
        self._fold = Fold(minutes_from=now - _MINUTES_KEPT)

    def add(self, settlements: Sequence[Settlement]) -> None:
        """Write facts, and remember what they add up to."""
        attempts = chain.from_iterable(each.attempts for each in settlements)
        copy(COPY_ATTEMPTS, map(attempt_row, attempts))
        copy(COPY_CALLS, (call_row(each.call) for each in settlements if each.call))
        for settlement in settlements:
            self._fold.add(settlement)

    def finish(self) -> None:
        """Write the sums; to be called once."""
        with connection.cursor() as cursor:
            for statement, rows in self._fold.upserts():
                cursor.execute(statement.decode(), [rows])


def copy(statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Send rows by COPY."""
    with connection.cursor() as cursor, cursor.copy(statement) as sending:
        for row in rows:
            sending.write_row(row)


def keep_partitions(*, since: dt.datetime, until: dt.datetime) -> None:
    """Make the months that history falls into, in a transaction of their own.

    Attaching a partition locks the whole table, which calls under way wait for.
    """
    with connection.cursor() as cursor:
        for table in _PARTITIONED:
            cursor.execute(
                "SELECT ops_keep_partitions(%s, %s, %s)", [table, since, until]
            )


def allow_long_statements() -> None:
    """Lift the limits that protect pages and calls, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Facts have no cycles, and looking for some among 200,000 takes a third longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
