"""The fastest path: exactly `sim-instant`, not streamed, from bytes made beforehand.

The general path costs about six times as much Python; a benchmark's upstream must not
be what limits it. Answers, journal and counts are the same on both.
"""

import time
from typing import Any

import orjson

from devora_ops.simulator.answers import INSTANT, INSTANT_TOKENS
from devora_ops.simulator.connection import Connection
from devora_ops.simulator.journal import Event, Journal
from devora_ops.simulator.memory import Memory
from devora_ops.simulator.wire import Answer, Ask, Demand, Wire

MODEL = "sim-instant"
_MARK = b'"sim-instant"'
_ID = "0" * 24
_ID_BYTES = _ID.encode()
_HEADERS = [(b"content-type", b"application/json")]
_ASK = Ask({}, Demand(MODEL, prompt_tokens=0), stream=False)


def is_instant(body: bytes) -> bool:
    """Whether a body is for the fastest path; whatever is odd about it is not."""
    if _MARK not in body:
        return False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(value, dict) or value.get("model") != MODEL:
        return False
    return bool(value.get("messages")) and not value.get("stream")


class InstantReplies:
    """Answers one API's instant calls."""

    def __init__(self, wire: Wire, journal: Journal, memory: Memory) -> None:
        self._wire = wire
        self._journal = journal
        self._memory = memory
        self._arrivals = 0
        self._second = 0
        self._template = b""
        self._call = {"api": wire.api, "model": MODEL, "stream": False}
        self._bill = {
            **self._call,
            "usage": wire.usage(INSTANT_TOKENS),
            "completed": True,
            "chunks_sent": 0,
            "client_gone": False,
        }

    async def reply(self, connection: Connection, attempt: str | None) -> None:
        """Send the fixed answer under an id of its own."""
        self._note("accepted", {"attempt": attempt, **self._call})
        await connection.respond(200, _HEADERS, self._body())
        self._note("billed", {"attempt": attempt, **self._bill})

    def _body(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            answer = Answer(_ID, second, INSTANT, INSTANT_TOKENS)
            usage = self._wire.usage(INSTANT_TOKENS)
            self._template = orjson.dumps(self._wire.document(_ASK, answer, usage))
        self._arrivals += 1
        return self._template.replace(_ID_BYTES, b"%024x" % self._arrivals, 1)

    def _note(self, event: Event, line: dict[str, Any]) -> None:
        self._memory.count(MODEL, event)
        self._journal.write(event, line)
