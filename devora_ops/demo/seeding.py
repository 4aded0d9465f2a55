"""`seed_calls`: calls by the thousand or the million, for tests of scale.

A pattern of a few days is generated, priced and summed like any history, then laid down
again and again, each time some days earlier: Postgres copies calls faster than Python
makes them. The ordinary writer writes the pattern, into temporary tables that bear the
real ones' names and so hide them.
"""

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from django.db import connection, models, transaction
from psycopg import sql

from costs.facts import Who
from costs.models import Attempt, Call
from costs.rollups import FAMILIES, adding, columns_of
from devora_ops.common.models import Team
from devora_ops.demo.books import (
    HistoryWriter,
    allow_long_statements,
    keep_partitions,
    without_garbage_collection,
)
from devora_ops.demo.facts import FactMaker, read_price_book
from devora_ops.simulator.history import SimulatedCall, generate

TEAM: Final = "seed"
DAYS: Final = 30
_BATCH: Final = 5000
_LAYERS: Final = 15
_MINUTES: Final = "costs_rollup_minute"
_TABLES: Final = ("costs_attempt", "costs_call", *FAMILIES)

# A UUIDv7 begins with its millisecond in 48 bits; the rest stays as random as it was.
_EARLIER_ID: Final = (
    "(lpad(to_hex(('x' || left({0}::text, 8) || substr({0}::text, 10, 4))"
    "::bit(48)::bigint - %(shift_ms)s), 12, '0') || substr({0}::text, 15))::uuid"
)
_EARLIER: Final = {
    "id": _EARLIER_ID,
    "call_id": _EARLIER_ID,
    "finished_at": "{0} - %(shift)s",
    "settled_at": "{0} - %(shift)s",
    "bucket": "{0} - %(shift)s",
}

Progress = Callable[[int], None]
"""Told how many calls are written so far."""


def seed(count: int, *, days: int, now: dt.datetime, progress: Progress) -> None:
    """Write so many calls of the last days, each layer in a transaction of its own."""
    Team.objects.get_or_create(slug=TEAM, defaults={"name": TEAM.capitalize()})
    keep_partitions(since=now - dt.timedelta(days=days), until=now)
    seeder = _Seeder(now)
    span = _span(days)
    a_layer, rest = divmod(count, days // span)
    if a_layer:
        with seeder.pattern(a_layer, days=span):
            for layer in range(days // span):
                seeder.lay_down(dt.timedelta(days=layer * span))
                progress(a_layer * (layer + 1))
    seeder.write(rest, days=days)
    progress(count)
    _let_the_planner_know()


def _let_the_planner_know() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        allow_long_statements()
        cursor.execute(f"ANALYZE {', '.join(_TABLES)}")


def _span(days: int) -> int:
    """Return how many days a pattern has: a divisor that makes for enough layers."""
    enough = min(_LAYERS, days)
    return max(
        span
        for span in range(1, days + 1)
        if days % span == 0 and days // span >= enough
    )


class _Seeder:
    """Writes patterns and lays them down."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._facts = FactMaker(read_price_book(), who=_who)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            self._schema = str(cursor.fetchone()[0])

    def write(self, count: int, *, days: int) -> None:
        """Write calls, whichever tables the names lead to."""
        dice_seed = secrets.randbits(32)
        calls = generate(days, dice_seed, count / days, self._now)
        writer = HistoryWriter(now=self._now)
        with transaction.atomic(), without_garbage_collection():
            allow_long_statements()
            while batch := list(islice(calls, _BATCH)):
                writer.add([self._facts.settlement(call) for call in batch])
            writer.finish()

    @contextmanager
    def pattern(self, count: int, *, days: int) -> Iterator[None]:
        """Hide the tables behind temporary ones that hold a pattern."""
        with connection.cursor() as cursor:
            for table in _TABLES:
                like = "INCLUDING ALL" if table in FAMILIES else "INCLUDING DEFAULTS"
                cursor.execute(f"CREATE TEMP TABLE {table} (LIKE {table} {like})")
        try:
            self.write(count, days=days)
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE {', '.join(_TABLES)}")

    def lay_down(self, shift: dt.timedelta) -> None:
        """Copy the pattern into the real tables, so much earlier."""
        values: dict[str, Any] = {
            "shift": shift,
            "shift_ms": shift // dt.timedelta(milliseconds=1),
        }
        with transaction.atomic(), connection.cursor() as cursor:
            allow_long_statements()
            for model in (Attempt, Call):
                cursor.execute(self._facts_earlier(model).as_string(), values)
            for table in FAMILIES:
                if table != _MINUTES or not shift:
                    cursor.execute(self._sums_earlier(table).as_string(), values)

    def _facts_earlier(self, model: type[models.Model]) -> sql.Composed:
        table = model._meta.db_table
        columns = [str(field.column) for field in model._meta.concrete_fields]
        return sql.SQL("INSERT INTO {} ({}) {}").format(
            sql.Identifier(self._schema, table),
            sql.SQL(", ").join([sql.Identifier(column) for column in columns]),
            _earlier(table, columns),
        )

    def _sums_earlier(self, table: str) -> sql.Composed:
        return adding(table, _earlier(table, columns_of(table)), schema=self._schema)


def _earlier(table: str, columns: Sequence[str]) -> sql.Composed:
    chosen = [
        sql.SQL(_EARLIER.get(column, "{0}")).format(sql.Identifier(column))
        for column in columns
    ]
    return sql.SQL("SELECT {} FROM pg_temp.{}").format(
        sql.SQL(", ").join(chosen), sql.Identifier(table)
    )


def _who(call: SimulatedCall) -> Who:
    return Who(
        team=TEAM,
        agent=call.agent,
        end_user=call.user,
        key=f"seed{call.agent[:4]}",
        prompt=call.prompt,
        prompt_version=call.prompt_version,
        experiment=call.experiment,
        variant=call.variant,
    )
