"""One attempt on the wire: sent, read, answered and settled, whatever happens."""

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass, field

import orjson

from costs.facts import State
from llm.gateway import refusals
from llm.gateway.attempt import Attempt
from llm.gateway.books import Books
from llm.gateway.call import Call
from llm.gateway.codecs.protocol import (
    ODD_SHAPES,
    BadAnswerError,
    ErrorInStreamError,
    StreamCodec,
)
from llm.gateway.http import Send, send_bytes
from llm.gateway.refusals import Refusal
from llm.gateway.relay import Relay
from llm.gateway.slices import Turns
from llm.gateway.upstream import Answer, UpstreamClient
from llm.policy import RoutePolicy

_MOST_ERROR_BYTES = 64 * 1024
_DRAIN_S = 0.2


class RefusedError(Exception):
    """An attempt that ended without an answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Exchange:
    """Sends attempts and brings their answers back."""

    client: UpstreamClient
    books: Books
    turns: Turns = field(default_factory=Turns)

    async def run(
        self, attempt: Attempt, send: Send, policy: RoutePolicy
    ) -> Refusal | None:
        """Serve by one attempt; return what was wrong with an answer that has begun.

        Raises RefusedError when the client has been told nothing yet. The attempt has
        ended either way.
        """
        try:
            with await self._open(attempt, policy) as answer:
                if answer.status != 200:
                    await _refuse_status(answer)
                if attempt.call.stream:
                    return await self._relay(attempt, answer, send)
                await self._answer(attempt, answer, send)
                return None
        except RefusedError as error:
            _end_refused(attempt, error.refusal)
            raise
        except OSError as error:
            refusal = refusals.from_exception(error)
            _end_refused(attempt, refusal)
            raise RefusedError(refusal) from error
        except asyncio.CancelledError:
            _, code = _cut_by(attempt.call)
            _end_unfinished(attempt, code)
            raise
        except Exception:
            _end_unfinished(attempt, "internal_error")
            raise

    def _open(self, attempt: Attempt, policy: RoutePolicy) -> Awaitable[Answer]:
        upstream = attempt.target.upstream
        return self.client.post(
            upstream,
            attempt.codec.url(upstream),
            data=attempt.data,
            headers=attempt.headers(),
            policy=policy,
            stream=attempt.call.stream,
            sending=attempt.leaves,
        )

    async def _answer(self, attempt: Attempt, answer: Answer, send: Send) -> None:
        call = attempt.call
        raw = await answer.body()
        try:
            reading = attempt.codec.read(raw)
        except BadAnswerError as error:
            raise RefusedError(refusals.bad_response(str(error))) from error
        except ErrorInStreamError as error:
            told = refusals.error_in_answer(error.usage, error.source)
            raise RefusedError(told) from error
        except ODD_SHAPES as error:
            odd = refusals.bad_response("has a shape that makes no sense")
            raise RefusedError(odd) from error
        attempt.bill(
            reading.usage,
            text=reading.text,
            source=reading.source,
            service_tier=reading.service_tier,
            searches=reading.searches,
        )
        call.answer = reading
        self.books.close(call, 200)
        self.books.keep(call, attempt.data, reading.body)
        headers = [*call.headers(), *call.cost_header()]
        await send_bytes(send, 200, reading.body, headers)

    async def _relay(
        self, attempt: Attempt, answer: Answer, send: Send
    ) -> Refusal | None:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise RefusedError(refusals.bad_response("is no event stream"))
        stream = attempt.codec.stream(attempt.call.body)
        relay = Relay(attempt.call, send, stream, self.turns)
        try:
            await relay.run(answer)
        except (BadAnswerError, ErrorInStreamError) as error:
            return await self._break_off(attempt, relay, stream, error)
        except asyncio.CancelledError:
            # The client has gone, or we have to: closing the connection stops the
            # provider, and what it had said until then is billed.
            try:
                await relay.hear_out(answer)
            finally:
                self._end_stream(attempt, stream, *_cut_by(attempt.call))
            raise
        self._end_stream(attempt, stream, 200)
        await relay.finish()
        await _drain(answer)
        return None

    async def _break_off(
        self, attempt: Attempt, relay: Relay, stream: StreamCodec, error: Exception
    ) -> Refusal:
        if isinstance(error, ErrorInStreamError):
            refusal = refusals.error_in_answer()
        else:
            refusal = refusals.bad_response(str(error))
        if not relay.begun:
            # Nothing was said, so that there is nothing but the prompt to bill.
            attempt.bill(
                stream.usage,
                text="",
                source=stream.usage_source,
                error_code=refusal.error.code,
            )
            raise RefusedError(refusal)
        self._end_stream(attempt, stream, 200, "stream_broken")
        await relay.fail(refusal.error)
        return refusal

    def _end_stream(
        self, attempt: Attempt, stream: StreamCodec, status: int, error_code: str = ""
    ) -> None:
        """Bill a stream and keep what was said, before its client can be gone."""
        attempt.bill(
            stream.usage,
            text=stream.text,
            source=stream.usage_source,
            service_tier=stream.service_tier,
            searches=stream.searches,
            error_code=error_code,
            whole=stream.ended,
        )
        self.books.close(attempt.call, status, error_code)
        said = orjson.dumps({"content": stream.text})
        self.books.keep(attempt.call, attempt.data, said)


def _cut_by(call: Call) -> tuple[int, str]:
    """Return the status and the code of a call that was called off."""
    return (499, "client_gone") if call.client_gone else (503, "shutting_down")


def _end_unfinished(attempt: Attempt, error_code: str) -> None:
    """End an attempt that was called off before anything was known of its bill."""
    if attempt.ended:
        return
    # What was sent may be billed, and nobody will tell us how much.
    attempt.end(
        "unknown" if attempt.sent else "released",
        estimated=attempt.sent,
        error_code=error_code,
    )


def _end_refused(attempt: Attempt, refusal: Refusal) -> None:
    if attempt.ended:
        return
    if attempt.codec.read_usage(refusal.usage)[0] is not None:
        # It failed, and says all the same what that took.
        attempt.bill(
            refusal.usage,
            text="",
            source=refusal.answer,
            http_status=refusal.http_status,
            error_code=refusal.error.code,
        )
        return
    state: State = "settled" if refusal.sent else "released"
    attempt.end(
        "unknown" if refusal.billed else state,
        estimated=refusal.billed,
        http_status=refusal.http_status,
        error_code=refusal.error.code,
    )


async def _refuse_status(answer: Answer) -> None:
    body = b""
    while len(body) < _MOST_ERROR_BYTES and (piece := await answer.piece()):
        body += piece
    raise RefusedError(refusals.from_status(answer.status, answer.headers, body))


async def _drain(answer: Answer) -> None:
    """Read the end of a stream behind its last event, so that the connection is kept."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_DRAIN_S):
            await answer.piece()
