"""Jobs that must happen: a row in the transaction of its cause, done by a relay later.

Any number of relays may run. Each takes one due message at a time on a lease, and keeps
its row locked for as long as the job takes. The lock of a relay that dies ends with its
connection, so that another takes the message when the lease has run out: a job is done
at least once, and twice only where a relay died between doing and saying so.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.db import connection, transaction

from devora_ops.common.models import OutboxMessage

log = logging.getLogger("[Outbox]")

# Until the lock is there, and how long a dead relay's message waits.
LEASE_S: Final = 15
# More than a mail server takes that answers each of eight commands at the last moment.
_LONGEST: Final = "120s"
# Short at first, for most failures are over in seconds; a day in all.
_PAUSES_S: Final = (1, 3, 8, 20, 60, 300, 900, *[3600] * 24)
_LONGEST_ERROR: Final = 500
_LONGEST_KEY: Final = 200

_TAKE = """
UPDATE ops_outboxmessage SET attempts = attempts + 1,
    not_before = now() + make_interval(secs => %(lease)s)
WHERE id = (
    SELECT id FROM ops_outboxmessage
    WHERE done_at IS NULL AND given_up_at IS NULL AND kind = ANY (%(kinds)s)
      AND (not_before IS NULL OR not_before <= now())
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, payload::text, attempts
"""
_LOCK = """
SELECT 1 FROM ops_outboxmessage
WHERE id = %s AND attempts = %s AND done_at IS NULL FOR UPDATE SKIP LOCKED
"""
_DONE = """
UPDATE ops_outboxmessage SET done_at = now(), last_error = '' WHERE id = %s
"""
# Only by whoever still has it: another may have taken it since, and be done.
_LATER = """
UPDATE ops_outboxmessage SET last_error = %(error)s,
    not_before = now() + make_interval(secs => %(pause)s),
    given_up_at = CASE WHEN %(give_up)s THEN now() END
WHERE id = %(id)s AND attempts = %(attempts)s AND done_at IS NULL
"""


class Undeliverable(Exception):
    """Another try would fail like this one."""


class TryLater(Exception):
    """It did not work now; retry_after_s: how long whoever refused wants to be left."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Message:
    """A job as its handler gets it; its id is the same in every try."""

    id: uuid.UUID
    kind: str
    payload: Mapping[str, Any]
    attempts: int


Handler = Callable[[Message], None]


def put(kind: str, payload: Mapping[str, Any], *, dedup_key: str) -> None:
    """Leave a job; a second one of the same key is the first."""
    message = OutboxMessage(kind=kind, payload=payload, dedup_key=_fitting(dedup_key))
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)


def _fitting(key: str) -> str:
    """Return a key as the column takes it: of a long one the tail is a digest."""
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return key[: _LONGEST_KEY - len(digest)] + digest


def relay(handlers: Mapping[str, Handler], *, for_s: float) -> int:
    """Do what is due of some kinds, for so long at most; return how many were done.

    A handler raises TryLater or Undeliverable; anything else is tried later too.
    """
    until, done = time.monotonic() + for_s, 0
    while time.monotonic() < until and (message := _take(handlers)) is not None:
        done += _do(message, handlers[message.kind])
    return done


def _take(kinds: Mapping[str, Handler]) -> Message | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"lease": LEASE_S, "kinds": list(kinds)})
        row = cursor.fetchone()
    return (
        None if row is None else Message(row[0], row[1], orjson.loads(row[2]), row[3])
    )


def _do(message: Message, handler: Handler) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
            [_LONGEST],
        )
        cursor.execute(_LOCK, [message.id, message.attempts])
        # We stood still for longer than the lease: somebody else has it.
        return cursor.fetchone() is not None and _done(message, handler)


def _done(message: Message, handler: Handler) -> bool:
    try:
        with transaction.atomic():  # what fails in it must not cost us the lock
            handler(message)
    except Undeliverable as error:
        _put_off(message, error, give_up=True)
    except TryLater as error:
        _put_off(message, error, retry_after_s=error.retry_after_s)
    except Exception as error:
        log.exception("message %s of kind %s failed", message.id, message.kind)
        _put_off(message, error)
    else:
        with connection.cursor() as cursor:
            cursor.execute(_DONE, [message.id])
        return True
    return False


def _put_off(
    message: Message,
    error: Exception,
    *,
    give_up: bool = False,
    retry_after_s: float = 0.0,
) -> None:
    last = message.attempts > len(_PAUSES_S)
    pause_s = 0 if last else _PAUSES_S[message.attempts - 1]
    said = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    if give_up or last:
        log.error("giving message %s up: %s", message.id, said)
    with connection.cursor() as cursor:
        cursor.execute(
            _LATER,
            {
                "id": message.id,
                "attempts": message.attempts,
                "error": said,
                "pause": max(pause_s, retry_after_s),
                "give_up": give_up or last,
            },
        )
