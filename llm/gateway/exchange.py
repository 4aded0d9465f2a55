"""One attempt on the wire: sent, read, answered and settled, whatever happens."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiohttp
import orjson

from costs.facts import State
from llm.gateway import refusals
from llm.gateway.attempt import Attempt
from llm.gateway.books import Books
from llm.gateway.codecs.protocol import (
    ODD_SHAPES,
    BadAnswerError,
    ErrorInStreamError,
    StreamCodec,
)
from llm.gateway.http import Send, send_bytes
from llm.gateway.refusals import Refusal
from llm.gateway.relay import Relay
from llm.gateway.upstream import MOST_ANSWER_BYTES, UpstreamClient

FIRST_BYTE_TIMEOUT_S = 60.0


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

    async def run(self, attempt: Attempt, send: Send) -> Refusal | None:
        """Serve by one attempt; return what was wrong with an answer that has begun.

        Raises RefusedError when the client has been told nothing yet. The attempt has
        ended either way.
        """
        try:
            async with await self._open(attempt) as response:
                if response.status != 200:
                    await _refuse_status(response)
                if attempt.call.stream:
                    return await self._relay(attempt, response, send)
                await self._answer(attempt, response, send)
                return None
        except RefusedError as error:
            _end_refused(attempt, error.refusal)
            raise
        except (aiohttp.ClientError, OSError) as error:
            refusal = refusals.from_exception(error)
            _end_refused(attempt, refusal)
            raise RefusedError(refusal) from error
        except asyncio.CancelledError:
            _end_unfinished(attempt, "client_gone")
            raise
        except Exception:
            _end_unfinished(attempt, "internal_error")
            raise

    async def _open(self, attempt: Attempt) -> aiohttp.ClientResponse:
        upstream = attempt.target.upstream
        posted = self.client.post(
            upstream,
            attempt.codec.url(upstream),
            data=attempt.data,
            headers=attempt.headers(),
            stream=attempt.call.stream,
            sending=attempt.leaves,
        )
        if not attempt.call.stream:
            return await posted  # it may take as long as the total allows
        async with asyncio.timeout(FIRST_BYTE_TIMEOUT_S):
            return await posted

    async def _answer(
        self, attempt: Attempt, response: aiohttp.ClientResponse, send: Send
    ) -> None:
        call = attempt.call
        raw = await _read(response)
        try:
            reading = attempt.codec.read(raw)
        except BadAnswerError as error:
            raise RefusedError(refusals.bad_response(str(error))) from error
        except ODD_SHAPES as error:
            odd = refusals.bad_response("has a shape that makes no sense")
            raise RefusedError(odd) from error
        attempt.bill(
            reading.usage, text=reading.text, service_tier=reading.service_tier
        )
        call.answer = reading
        self.books.close(call, 200)
        self.books.keep(call, attempt.data, reading.body)
        headers = [*call.headers(), *call.cost_header()]
        await send_bytes(send, 200, reading.body, headers)

    async def _relay(
        self, attempt: Attempt, response: aiohttp.ClientResponse, send: Send
    ) -> Refusal | None:
        if response.content_type != "text/event-stream":
            raise RefusedError(refusals.bad_response("is no event stream"))
        stream = attempt.codec.stream(attempt.call.body)
        relay = Relay(attempt.call, send, stream)
        try:
            await relay.run(response)
        except (BadAnswerError, ErrorInStreamError) as error:
            return await self._break_off(attempt, relay, stream, error)
        except asyncio.CancelledError:
            # The client has gone: closing the connection stops the provider, and what
            # it had said until then is billed.
            relay.meter_rest(response)
            self._end_stream(attempt, stream, 499, "client_gone")
            raise
        self._end_stream(attempt, stream, 200)
        await relay.finish()
        await _drain(response)
        return None

    async def _break_off(
        self, attempt: Attempt, relay: Relay, stream: StreamCodec, error: Exception
    ) -> Refusal:
        if isinstance(error, ErrorInStreamError):
            refusal = refusals.error_in_stream()
        else:
            refusal = refusals.bad_response(str(error))
        if not relay.begun:
            # Nothing was said, so that there is nothing but the prompt to bill.
            attempt.bill(stream.usage, text="", error_code=refusal.error.code)
            raise RefusedError(refusal)
        self._end_stream(attempt, stream, 200, "stream_broken")
        call = attempt.call
        await relay.fail(stream.fail(call.id_text, refusal.error))
        return refusal

    def _end_stream(
        self, attempt: Attempt, stream: StreamCodec, status: int, error_code: str = ""
    ) -> None:
        """Bill a stream and keep what was said, before its client can be gone."""
        attempt.bill(
            stream.usage,
            text=stream.text,
            service_tier=stream.service_tier,
            error_code=error_code,
            whole=stream.ended,
        )
        self.books.close(attempt.call, status, error_code)
        said = orjson.dumps({"content": stream.text})
        self.books.keep(attempt.call, attempt.data, said)


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
    state: State = "settled" if refusal.sent else "released"
    attempt.end(
        "unknown" if refusal.billed else state,
        estimated=refusal.billed,
        http_status=refusal.http_status,
        error_code=refusal.error.code,
    )


async def _refuse_status(response: aiohttp.ClientResponse) -> None:
    body = await response.content.read(64 * 1024)
    raise RefusedError(refusals.from_status(response.status, response.headers, body))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    declared = response.content_length
    if declared is not None and declared <= MOST_ANSWER_BYTES:
        return await response.read()
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MOST_ANSWER_BYTES:
            raise RefusedError(refusals.bad_response("is too large"))
    return bytes(body)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read the end of a stream behind its last event, so that the connection is kept."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(0.2):
            await response.content.read(1024)
