"""What Postgres is asked to set aside: all of a batch in one round trip."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from devora_ops.common.postgres import (
    Connection,
    array_literal,
    text_array_literal,
)
from devora_ops.common.statement import Statement

_RESERVE = Statement(
    "SELECT attempt, charged_to, refused_by, room FROM costs_reserve("
    "$1::uuid, $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::text[])"
)
_RESTORE = """SELECT costs_restore(
    %s, %s::uuid[], %s::uuid[], %s::numeric[], %s::text[], %s::text[])"""


class Reservation(NamedTuple):
    """The worst case of one attempt, to be set aside in all its budgets or in none.

    facts: JSON that lets the sweeper write the attempt without its process.
    """

    attempt_id: uuid.UUID
    call_id: uuid.UUID
    amount: Decimal
    budgets: tuple[int, ...]
    facts: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The budget that had no room, and what it had left."""

    budget_id: int
    room: Decimal


async def reserve(
    connection: Connection, owner: uuid.UUID, batch: Sequence[Reservation]
) -> list[tuple[int, ...] | Refusal]:
    """Set money aside; return the counters that each was taken from, or why not."""
    attempts = [str(each.attempt_id) for each in batch]
    budgets = (array_literal(each.budgets) for each in batch)
    rows = await _RESERVE.run(
        connection, [str(owner), *_arrays(attempts, batch, budgets)]
    )
    answers = {row[0]: _answer(*row[1:]) for row in rows}
    return [answers[attempt.encode()] for attempt in attempts]


async def restore(
    connection: Connection,
    owner: uuid.UUID,
    held: Sequence[tuple[Reservation, tuple[int, ...]]],
) -> None:
    """Make holds again that Postgres may have lost, in the counters they had."""
    batch = [each for each, _ in held]
    counters = (array_literal(each) for _, each in held)
    attempts = [str(each.attempt_id) for each in batch]
    await connection.execute(_RESTORE, [owner, *_arrays(attempts, batch, counters)])


def _arrays(
    attempts: Sequence[str], batch: Sequence[Reservation], counted: Iterable[str]
) -> tuple[str, str, str, str, str]:
    return (
        array_literal(attempts),
        array_literal([each.call_id for each in batch]),
        array_literal([each.amount for each in batch]),
        text_array_literal(counted),
        text_array_literal([each.facts.decode() for each in batch]),
    )


def _answer(
    counters: bytes | None, refused_by: bytes | None, room: bytes | None
) -> tuple[int, ...] | Refusal:
    if refused_by is not None:
        return Refusal(int(refused_by), Decimal((room or b"0").decode()))
    return _counters(counters or b"{}")


@lru_cache(maxsize=1024)
def _counters(array: bytes) -> tuple[int, ...]:
    return tuple(int(each) for each in array.strip(b"{}").split(b",") if each)
