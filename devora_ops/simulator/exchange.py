"""One call from request to bill.

refuse ── an error status, journalled as refused
answer ── accepted, held, waited for, sent whole or in part ── always billed
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson

from devora_ops.simulator import bodies, streams
from devora_ops.simulator.behaviours import Script
from devora_ops.simulator.connection import ClientGoneError, Connection, Headers
from devora_ops.simulator.faults import RefusalError
from devora_ops.simulator.journal import Event, Journal
from devora_ops.simulator.latency import Pace
from devora_ops.simulator.memory import Memory
from devora_ops.simulator.wire import Answer, Ask, JSONObject, Step, Tokens, Wire

_BETWEEN_WRITES_S = 0.002
_SKEW = timedelta(hours=1)
_JSON_TYPE = (b"content-type", b"application/json")
_STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]


@dataclass(slots=True)
class Tally:
    """How far a reply got. visible: the completion tokens that are to be sent.

    whole: every one of them was sent, or the reply is a JSON body, so that a bill
    counts the answer's own usage.
    """

    visible: int
    whole: bool = False
    chunks: int = 0
    tokens: int = 0
    completed: bool = False
    client_gone: bool = False

    def add(self, step: Step) -> None:
        self.chunks += step.content
        self.tokens += step.tokens
        self.completed = self.completed or step.last
        self.whole = self.completed or self.tokens >= self.visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call: who asks what, and what the name of its model demands."""

    connection: Connection
    wire: Wire
    ask: Ask
    script: Script
    attempt: str | None
    journal: Journal
    memory: Memory

    async def refuse(self, refusal: RefusalError) -> None:
        """Send an error status, which is never billed."""
        self._note("refused", status=refusal.fault.status)
        try:
            await self._wait_first()
            await self._send_refusal(refusal)
        except ClientGoneError:
            self.memory.count(self.ask.model, "client_gone")

    async def answer(self, answer: Answer, pace: Pace) -> None:
        """Send the answer, and bill what was sent of it even when cancelled."""
        self._note("accepted")
        tally = Tally(answer.visible_tokens)
        try:
            await self._wait_first()
            await self._reply(answer, pace, tally)
        except ClientGoneError:
            tally.client_gone = True
            self.memory.count(self.ask.model, "client_gone")
        finally:
            self._bill(answer.tokens, tally)

    async def _wait_first(self) -> None:
        if self.script.hold:
            await self.memory.holds.wait(self.connection, self.ask.model)
        await self.connection.pause(self.script.first_byte_s)

    async def _reply(self, answer: Answer, pace: Pace, tally: Tally) -> None:
        if self.script.reset:
            await self.connection.drop(reset=True)
        elif self.ask.stream and not self.script.html:
            await self.connection.pause(pace.first_token_s)
            await self._stream(answer, pace, tally)
        else:
            tally.whole = True
            thinking_s = pace.total_s(answer.visible_tokens)
            await self.connection.pause(thinking_s + self.script.silence_s)
            await self._send_document(answer, tally)

    async def _send_document(self, answer: Answer, tally: Tally) -> None:
        document = self.wire.document(
            self.ask, self._shown(answer), self._usage(answer)
        )
        reply = bodies.spoil(self.script, document)
        await self.connection.start(200, self._headers(answer, reply.headers))
        for part in reply.parts:
            await self.connection.send(part)
        if reply.cut:
            await self.connection.drop()
        else:
            await self.connection.finish()
            tally.completed = True

    async def _stream(self, answer: Answer, pace: Pace, tally: Tally) -> None:
        steps = self.wire.stream(self.ask, self._shown(answer), self._usage(answer))
        script, wire = self.script, self.wire
        await self.connection.start(200, self._headers(answer, _STREAM_HEADERS))
        self.connection.watch()
        for step in streams.bend(steps, script=script, pace=pace, wire=wire):
            if step.cut:
                await self.connection.drop()
                return
            await self._take(step)
            tally.add(step)
            # A stream that is never held up would be said whole before anybody else is
            # served, and no provider is like that.
            await asyncio.sleep(0)
        await self.connection.finish()

    async def _take(self, step: Step) -> None:
        if step.pause_s:
            await self.connection.pause(step.pause_s)
        if step.hold:
            await self.memory.holds.wait(self.connection, self.ask.model)
        await self._write(streams.writes(step, self.script))

    async def _write(self, pieces: Iterable[bytes]) -> None:
        for position, piece in enumerate(pieces):
            if position:
                await self.connection.pause(_BETWEEN_WRITES_S)
            if piece:
                await self.connection.send(piece)

    async def _send_refusal(self, refusal: RefusalError) -> None:
        body, kind = orjson.dumps(self.wire.error(refusal)), _JSON_TYPE
        if self.script.html:
            body, kind = bodies.HTML, bodies.HTML_TYPE
        headers = [kind, *_retry_after(self.script)]
        await self.connection.respond(refusal.fault.status, headers, body)

    def _usage(self, answer: Answer) -> JSONObject | None:
        return bodies.spoil_usage(self.script, self.wire.usage(answer.tokens))

    def _shown(self, answer: Answer) -> Answer:
        if self.script.empty_choices:
            answer = replace(answer, choices=())
        return replace(answer, id="duplicate") if self.script.same_id else answer

    def _headers(self, answer: Answer, headers: Headers) -> Headers:
        headers = [*headers, (b"x-request-id", b"req_" + answer.id.encode())]
        if self.script.clock_skew:
            ahead = format_datetime(datetime.now(UTC) + _SKEW, usegmt=True)
            headers.append((b"date", ahead.encode()))
        return headers

    def _bill(self, tokens: Tokens, tally: Tally) -> None:
        if not tally.whole:
            tokens = replace(tokens, completion=tally.tokens, reasoning=0)
        self._note(
            "billed",
            usage=self.wire.usage(tokens),
            completed=tally.completed,
            chunks_sent=tally.chunks,
            client_gone=tally.client_gone,
            client_gone_at=self.connection.gone_at,
        )

    def _note(self, event: Event, **fields: Any) -> None:
        line = {
            "attempt": self.attempt,
            "api": self.wire.api,
            "model": self.ask.model,
            "stream": self.ask.stream,
        }
        self.memory.count(self.ask.model, event)
        self.journal.write(event, {**line, **fields})


def _retry_after(script: Script) -> Headers:
    if script.retry_garbage:
        return [(b"retry-after", b"soon, we hope")]
    if script.retry_date_s is not None:
        at = datetime.now(UTC) + timedelta(seconds=script.retry_date_s)
        return [(b"retry-after", format_datetime(at, usegmt=True).encode())]
    if script.retry_after_s is not None:
        return [(b"retry-after", f"{script.retry_after_s:g}".encode())]
    return []
