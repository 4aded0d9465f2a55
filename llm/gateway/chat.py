"""POST /v1/chat/completions: expand → plan → per attempt: hold → call → settle."""

import asyncio
import contextlib
import datetime as dt
import logging
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson

from costs.facts import Settlement, Who
from costs.ledger import Ledger
from costs.snapshot import Budgets, PriceBook
from devora_ops.common.errors import DevoraError
from devora_ops.common.snapshots import Snapshot
from llm.gateway import refusals, validation
from llm.gateway.attempt import Attempt
from llm.gateway.call import Call
from llm.gateway.expansion import Expand
from llm.gateway.http import Receive, Send, error_fields, send_bytes, send_error
from llm.gateway.planning import make_plan
from llm.gateway.recorder import Recorder, Said
from llm.gateway.refusals import Refusal
from llm.gateway.streaming import Relay, StreamBrokenError
from llm.gateway.upstream import MOST_ANSWER_BYTES, UpstreamClient
from llm.providers import openai
from llm.snapshot import Catalogue

log = logging.getLogger("[LLM]")

FIRST_BYTE_TIMEOUT_S = 60.0


class RefusedError(Exception):
    """An attempt that ended without an answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class ChatService:
    """Serves chat completions with what one process keeps: client, ledger, snapshots."""

    client: UpstreamClient
    ledger: Ledger
    recorder: Recorder
    catalogue: Snapshot[Catalogue]
    prices: Snapshot[PriceBook]
    budgets: Snapshot[Budgets]
    expand: Expand

    async def serve(self, call: Call, raw: bytes, receive: Receive, send: Send) -> None:
        """Answer one authenticated request; every way out settles what was tried."""
        watch = asyncio.create_task(_watch(receive, call, asyncio.current_task()))
        try:
            await self._serve(call, raw, send)
        except DevoraError as error:
            self._settle(call, error.status, error.code)
            headers = [*call.headers(), *call.cost_header()]
            await send_error(send, error, headers)
        except asyncio.CancelledError:
            if not call.client_gone:
                raise  # the process is stopping
            self._settle(call, 499, "client_gone")
        finally:
            watch.cancel()

    async def _serve(self, call: Call, raw: bytes, send: Send) -> None:
        body = validation.parse(raw)
        call.requested = validation.check_model(body)
        await self._expand(call, body)
        validation.check_chat(call.body)
        call.stream = bool(call.body.get("stream"))
        call.who = replace(call.who, end_user=str(call.body.get("user") or ""))
        plan = make_plan(self.catalogue.current, call.body.pop("model", call.requested))
        *others, last = enumerate(plan.targets, start=1)
        for number, target in [*others, last]:
            call.model, call.tried = target.model, number
            attempt = Attempt(
                call,
                target,
                number=number,
                default_max_tokens=plan.default_max_tokens,
            )
            await attempt.hold(self.ledger, self.prices.current, self.budgets.current)
            try:
                await self._try(attempt, send)
                return
            except RefusedError as error:
                if number == last[0] or not error.refusal.fallback:
                    raise error.refusal.error from error
                # Its hold is freed now, so that the next target's fits beside it.
                self.ledger.settle(Settlement(call.take_unposted()))

    async def _expand(self, call: Call, body: dict[str, Any]) -> None:
        call.who = Who(team=call.key.team, agent=call.key.agent, key=call.key.public_id)
        expanded = await self.expand(call.requested, body, call.request_id)
        if expanded is None:
            call.body = body
            for ours in ("variables", "unit"):
                body.pop(ours, None)
            return
        call.body = expanded.body
        call.who = replace(
            call.who,
            prompt=expanded.prompt,
            prompt_version=expanded.prompt_version,
            experiment=expanded.experiment,
            variant=expanded.variant,
        )

    async def _try(self, attempt: Attempt, send: Send) -> None:
        """Make one upstream try; raises RefusedError once it is settled and unserved."""
        try:
            async with await self._open(attempt) as response:
                if response.status != 200:
                    await _refuse_status(response)
                elif attempt.call.stream:
                    await self._relay(attempt, response, send)
                else:
                    await self._answer(attempt, response, send)
        except RefusedError as error:
            _end_refused(attempt, error.refusal)
            raise
        except (aiohttp.ClientError, OSError) as error:
            refusal = refusals.from_exception(error)
            _end_refused(attempt, refusal)
            raise RefusedError(refusal) from error
        finally:
            # Cancelled: the client hung up or the process stops. What was sent may be
            # billed, and nobody will tell us how much.
            if not attempt.ended:
                attempt.end("unknown", estimated=True, error_code="client_gone")
                self._settle(attempt.call, 499, "client_gone")

    async def _open(self, attempt: Attempt) -> aiohttp.ClientResponse:
        # A whole answer may take as long as the total allows, a stream has to begin.
        limit_s = FIRST_BYTE_TIMEOUT_S if attempt.call.stream else None
        async with asyncio.timeout(limit_s):
            return await self.client.post(
                attempt.target.upstream,
                openai.chat_url(attempt.target.upstream),
                data=attempt.data,
                headers=attempt.headers(),
                stream=attempt.call.stream,
            )

    async def _answer(
        self, attempt: Attempt, response: aiohttp.ClientResponse, send: Send
    ) -> None:
        call = attempt.call
        raw = await _read(response)
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise RefusedError(refusals.bad_response("is not JSON")) from error
        if not isinstance(answer, dict) or not answer.get("choices"):
            raise RefusedError(refusals.bad_response("has no choices"))
        attempt.bill(answer, text=_text_of(answer))
        self._settle(call, 200)
        self._record(attempt, raw)
        await send_bytes(send, 200, raw, [*call.headers(), *call.cost_header()])

    async def _relay(
        self, attempt: Attempt, response: aiohttp.ClientResponse, send: Send
    ) -> None:
        call = attempt.call
        options = call.body.get("stream_options") or {}
        relay = Relay(attempt, send, wants_usage=bool(options.get("include_usage")))
        try:
            await relay.run(response)
        except StreamBrokenError as error:
            _end_stream(attempt, relay, "stream_broken")
            self._close(attempt, relay, 200, "stream_broken")
            broken = refusals.bad_response(str(error)).error
            await relay.fail(dict(error_fields(broken)))
        except asyncio.CancelledError:
            # The client has gone: closing the connection stops the provider, and what
            # it had said until then is billed.
            _end_stream(attempt, relay, "client_gone")
            self._close(attempt, relay, 499, "client_gone")
            raise
        else:
            attempt.bill(relay.answer, text=relay.text)
            self._close(attempt, relay, 200)
            await relay.finish()
            await _drain(response)

    def _close(
        self, attempt: Attempt, relay: Relay, http_status: int, error_code: str = ""
    ) -> None:
        """Settle a stream and keep what was said, before its client can be gone."""
        self._settle(attempt.call, http_status, error_code)
        self._record(attempt, orjson.dumps({"content": relay.text}))

    def _settle(self, call: Call, http_status: int, error_code: str = "") -> None:
        if call.ended:
            return
        call.ended = True
        now = dt.datetime.now(dt.UTC)
        fact = call.fact(http_status, error_code=error_code.replace("\0", ""), now=now)
        self.ledger.settle(Settlement(call.take_unposted(), fact))

    def _record(self, attempt: Attempt, response: bytes) -> None:
        said = Said(attempt.call.id, attempt.data, response)
        self.recorder.record(said, mode=attempt.call.key.content)


def _end_refused(attempt: Attempt, refusal: Refusal) -> None:
    if refusal.billed:
        state, estimated = "unknown", True
    elif refusal.http_status is None:
        state, estimated = "released", False  # no byte was sent
    else:
        state, estimated = "settled", False
    attempt.end(
        state,  # type: ignore[arg-type]
        estimated=estimated,
        http_status=refusal.http_status,
        error_code=refusal.error.code,
    )


def _end_stream(attempt: Attempt, relay: Relay, error_code: str) -> None:
    """Bill a stream that did not end well: by its usage if it said one, else by its text."""
    usage = openai.read_usage(relay.answer.get("usage"))
    attempt.end(
        "settled",
        usage=usage or attempt.estimate(relay.text),
        raw_usage=relay.answer.get("usage"),
        estimated=usage is None,
        http_status=200,
        error_code=error_code,
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
    """Read the end of a stream behind its [DONE], so that the connection can be kept."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(0.2):
            await response.content.read(1024)


def _text_of(answer: dict[str, Any]) -> str:
    """Return what the choices say, for an answer that has no usage."""
    messages = (
        choice.get("message")
        for choice in answer["choices"]
        if isinstance(choice, dict)
    )
    return "".join(
        message["content"]
        for message in messages
        if isinstance(message, dict) and isinstance(message.get("content"), str)
    )


async def _watch(
    receive: Receive, call: Call, serving: "asyncio.Task[Any] | None"
) -> None:
    """Cancel the serving task once its client has gone.

    The end of an answer reads as a client that has gone too; then the call is settled.
    """
    with contextlib.suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass
    if call.ended:
        return
    call.client_gone = True
    if serving is not None:
        serving.cancel()
