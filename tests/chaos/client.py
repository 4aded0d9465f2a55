"""One caller's connection, and what became of its calls."""

import asyncio
import math
import socket
import struct
import time
from dataclasses import dataclass
from typing import Literal, cast

from benchmarks.answer import Answer
from tests.chaos.requests import HangUp, Request

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = b"data: "

# whole: as HTTP says, a stream with its [DONE] besides. hung_up: by us, as asked.
# closed: the server's side ended before that. late: our patience did. refused: nobody
# listened.
End = Literal["", "whole", "hung_up", "closed", "late", "refused"]


@dataclass(slots=True, eq=False)
class Outcome:
    """What became of a call; times in milliseconds since it was due to leave.

    began: by time.monotonic(). received: bytes. chunks: events of a stream.
    """

    request: Request
    began: float
    port: int = 0
    end: End = ""
    status: int = 0
    received: int = 0
    chunks: int = 0
    first_byte_ms: float = math.nan
    latency_ms: float = math.nan
    head: bytes = b""
    body: bytes = b""

    @property
    def ended_at(self) -> float:
        """When it ended, by time.monotonic()."""
        return self.began + self.latency_ms / 1000

    def header(self, name: str) -> str:
        """Return a header of the answer, empty when there is none."""
        for line in self.head.split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip().decode()
        return ""


class Connection(asyncio.Protocol):
    """A kept connection with at most one call under way."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport
        self._outcome: Outcome | None = None

    async def serve(self, outcome: Outcome) -> None:
        """Send a call and see it to its end, whichever that is."""
        request, loop = outcome.request, asyncio.get_running_loop()
        self._outcome, self._answer = outcome, Answer()
        self._ended: asyncio.Future[None] = loop.create_future()
        timers = [loop.call_later(request.patience_s, self._hang_up, "late", False)]
        if (plan := request.hangs_up) and plan.after_s is not None:
            timers.append(
                loop.call_later(plan.after_s, self._hang_up, "hung_up", plan.reset)
            )
        self._transport.write(request.data)
        await self._ended
        for timer in timers:
            timer.cancel()

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._end("closed")

    def data_received(self, data: bytes) -> None:
        outcome, answer = self._outcome, self._answer
        if outcome is None:
            return
        outcome.received += len(data)
        whole = answer.feed(data)
        if math.isnan(outcome.first_byte_ms) and answer.has_body:
            outcome.first_byte_ms = _ms_since(outcome.began)
        if outcome.request.stream:
            outcome.chunks += data.count(_CHUNK)
        if whole:
            self._finish(outcome, answer)
        elif (plan := outcome.request.hangs_up) and _is_due(plan, outcome):
            self._hang_up("hung_up", plan.reset)

    def hang_up(self) -> None:
        """Do now what the call's plan says of how."""
        if self._outcome is not None and (plan := self._outcome.request.hangs_up):
            self._hang_up("hung_up", plan.reset)

    def _finish(self, outcome: Outcome, answer: Answer) -> None:
        request = outcome.request
        proper = answer.says_done or not request.stream or answer.status != 200
        end: End = "whole" if proper else "closed"
        if request.hangs_up and request.hangs_up.at_end:
            self._hang_up(end, request.hangs_up.reset)
        else:
            self._end(end)

    def _hang_up(self, end: End, reset: bool) -> None:
        if self._outcome is None:
            return
        self.is_open = False
        if reset:
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()
        self._end(end)

    def _end(self, end: End) -> None:
        outcome, answer = self._outcome, self._answer
        if outcome is None:
            return
        self._outcome = None
        outcome.end = end
        outcome.latency_ms = _ms_since(outcome.began)
        outcome.status = answer.status
        outcome.head = answer.head
        if outcome.request.keeps_body or answer.status != 200:
            outcome.body = answer.body
        if not self._ended.done():
            self._ended.set_result(None)


def _is_due(plan: HangUp, outcome: Outcome) -> bool:
    return plan.after_chunks is not None and outcome.chunks >= plan.after_chunks


def _ms_since(moment: float) -> float:
    return (time.monotonic() - moment) * 1000
