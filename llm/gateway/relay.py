"""Relaying a stream: every event as it comes, metered, and ended with what it cost."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Iterable, Sequence

from devora_ops.common.errors import DevoraError
from llm.gateway.call import Call, usd
from llm.gateway.codecs.protocol import (
    ODD_SHAPES,
    BadAnswerError,
    ErrorInStreamError,
    Ours,
    StreamCodec,
)
from llm.gateway.connection import Answer
from llm.gateway.http import Send
from llm.gateway.slices import Turns, slices
from llm.gateway.sse import EventSplitter, EventTooLongError

KEEP_ALIVE_S = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
# What reading a stream raises when it is not what it has to be.
_BROKEN = (BadAnswerError, ErrorInStreamError, EventTooLongError, *ODD_SHAPES)


async def send_stream(call: Call, send: Send, events: Iterable[bytes]) -> None:
    """Send events that are all there as one stream."""
    body = b"".join(event + b"\n\n" for event in events)
    call.first_byte()
    headers = [*_HEADERS, *call.headers()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_comment(event: bytes) -> bool:
    return event.startswith(b":")


class Relay:
    """Passes one upstream stream on to one client.

    The answer begins with the first event that is no comment, so that a stream which
    begins with an error can still be served by somebody else.
    """

    def __init__(
        self, call: Call, send: Send, stream: StreamCodec, turns: Turns
    ) -> None:
        self._call = call
        self._send = send
        self._stream = stream
        self._turns = turns
        self._splitter = EventSplitter()
        self._parts: deque[bytes] = deque()  # came together, and wait for their turns
        self._sending = asyncio.Lock()
        self.begun = False

    async def run(self, answer: Answer) -> None:
        """Relay to the proper end; raises BadAnswerError when there is none.

        ErrorInStreamError passes through. The attempt is left to the caller to settle.
        """
        keep_alive = asyncio.create_task(self._keep_alive())
        try:
            await self._relay(answer)
        except OSError as error:
            raise BadAnswerError("broke off") from error
        except EventTooLongError as error:
            raise BadAnswerError("sent an event that is too long") from error
        except ODD_SHAPES as error:
            raise BadAnswerError("sent an event that makes no sense") from error
        finally:
            keep_alive.cancel()
        if not self._stream.ended:
            raise BadAnswerError("ended too early")

    async def hear_out(self, answer: Answer) -> None:
        """Meter what has arrived and nobody will read: it was said, so it is billed.

        When many hang up at once, they are heard out one after the other.
        """
        try:
            await asyncio.sleep(0)  # what waits in the socket is taken in meanwhile
            self._parts.extend(slices(answer.cut_off()))
            while self._parts:
                await self._turns.take(len(self._parts[0]))
                self._meter(self._parts.popleft())
            # Its tokens are counted next, if the provider did not tell how many.
            await self._turns.take(len(self._stream.text))
        finally:
            # Called off again: nobody waits any more, but what was said is billed.
            self._parts.extend(slices(answer.cut_off()))
            while self._parts:
                self._meter(self._parts.popleft())

    async def finish(self) -> None:
        """Say what the call cost, and end the stream."""
        events = self._stream.finish(self._ours())
        self._collect(events)
        if self._call.collector is not None:
            self._call.collector.count(self._stream.client_usage)
        await self._write(events)
        await self._close()

    async def fail(self, error: DevoraError) -> None:
        """Tell the client that the stream is not whole, and what it cost, and end it."""
        events = self._stream.fail(self._call.id_text, error)
        await self._write([self._ours().comment(), *events])
        await self._close()

    def _ours(self) -> Ours:
        cost = self._call.cost_usd
        return Ours(self._call.id_text, None if cost is None else usd(cost))

    async def _relay(self, answer: Answer) -> None:
        while piece := await answer.piece():
            self._parts.extend(slices(piece))
            while self._parts:
                await self._turns.take(len(self._parts[0]))
                await self._relay_part(self._parts.popleft())
                if self._stream.ended:
                    return
        if last := self._splitter.rest():  # some servers leave its blank line out
            await self._pass_on(self._stream.feed(last))

    async def _relay_part(self, part: bytes) -> None:
        events: list[bytes] = []
        try:
            for event in self._splitter.feed(part):
                events += self._stream.feed(event)
                if self._stream.ended:
                    return
        finally:
            # One write for all that came together; what came before an error too.
            await self._pass_on(events)

    def _meter(self, part: bytes) -> None:
        with contextlib.suppress(*_BROKEN):
            for event in self._splitter.feed(part):
                self._stream.feed(event)

    async def _pass_on(self, events: Sequence[bytes]) -> None:
        self._collect(events)
        if not self.begun:
            events = [*itertools.dropwhile(_is_comment, events)]
        if events:
            await self._write(events)

    def _collect(self, events: Sequence[bytes]) -> None:
        if self._call.collector is not None:
            for event in events:
                self._call.collector.feed(event)

    async def _write(self, events: Iterable[bytes]) -> None:
        body = b"".join(event + b"\n\n" for event in events)
        async with self._sending:
            await self._begin()
            if body:
                await self._send(
                    {"type": "http.response.body", "body": body, "more_body": True}
                )

    async def _begin(self) -> None:
        if self.begun:
            return
        self.begun = True
        self._call.first_byte()
        headers = [*_HEADERS, *self._call.headers()]
        await self._send(
            {"type": "http.response.start", "status": 200, "headers": headers}
        )

    async def _close(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def _keep_alive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(KEEP_ALIVE_S)
                await self._write([b": keep-alive"])
