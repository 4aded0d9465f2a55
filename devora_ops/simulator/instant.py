"""The fastest path: exactly `sim-instant`, not streamed, from bytes made beforehand.

The general path costs about six times as much Python; a benchmark's upstream must not
be what limits it. Answers, journal and counts are the same on both.
"""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from devora_ops.simulator.answers import INSTANT, INSTANT_TOKENS
from devora_ops.simulator.connection import Connection
from devora_ops.simulator.journal import Event, Journal
from devora_ops.simulator.memory import Memory
from devora_ops.simulator.wire import Answer, Ask, Demand, Wire

MODEL = "sim-instant"
_MARK = b'"sim-instant"'
_LARGEST = 8192
_ID = "0" * 24
_ID_BYTES = _ID.encode()
_HEADERS = [(b"content-type", b"application/json")]
_ASK = Ask({}, Demand(MODEL, prompt_tokens=0), stream=False)


def is_instant(body: bytes, wire: Wire) -> bool:
    """Whether a body is for the fastest path; whatever is odd about it is not."""
    likely = len(body) <= _LARGEST and _MARK in body
    return likely and _asks_for_it(body, wire.prompt_field)


@lru_cache(maxsize=256)
def _asks_for_it(body: bytes, prompt_field: str) -> bool:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(value, dict) or value.get("model") != MODEL:
        return False
    return bool(value.get(prompt_field)) and not value.get("stream")


class InstantReplies:
    """Answers one API's instant calls."""

    def __init__(self, wire: Wire, journal: Journal, memory: Memory) -> None:
        self._wire = wire
        self._journal = journal
        self._memory = memory
        self._arrivals = 0
        self._second = 0
        self._template = b""
        self._lines = _line("accepted", wire) + _line(
            "billed",
            wire,
            usage=wire.usage(INSTANT_TOKENS),
            completed=True,
            chunks_sent=0,
            client_gone=False,
        )

    async def reply(self, connection: Connection, attempt: str | None) -> None:
        """Journal both events at once, then send the fixed answer under its own id."""
        at, caller = orjson.dumps(datetime.now(UTC)), orjson.dumps(attempt)
        self._journal.append(self._lines % (at, caller, at, caller))
        self._memory.count(MODEL, "requests", "accepted", "billed")
        await connection.respond(200, _HEADERS, self._body())

    def _body(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            answer = Answer(_ID, second, INSTANT, INSTANT_TOKENS)
            usage = self._wire.usage(INSTANT_TOKENS)
            self._template = orjson.dumps(self._wire.document(_ASK, answer, usage))
        self._arrivals += 1
        return self._template.replace(_ID_BYTES, b"%024x" % self._arrivals)


def _line(event: Event, wire: Wire, **fields: Any) -> bytes:
    """Return a journal line with %b for the time and for the attempt, as JSON."""
    call = {"api": wire.api, "model": MODEL, "stream": False}
    line = {"event": event, "at": "%b", "attempt": "%b", **call, **fields}
    return orjson.dumps(line).replace(b'"%b"', b"%b") + b"\n"
