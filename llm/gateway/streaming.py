"""Relaying a stream: every event as it came, metered, and ended with what it cost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from llm.gateway.attempt import Attempt
from llm.gateway.call import usd
from llm.gateway.http import Send
from llm.gateway.sse import EventSplitter, EventTooLongError, data_of

KEEP_ALIVE_S = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class StreamBrokenError(Exception):
    """The upstream ended, or made no sense, before its stream was whole."""


class Relay:
    """Passes one upstream stream on to one client."""

    def __init__(self, attempt: Attempt, send: Send, *, wants_usage: bool) -> None:
        self._attempt = attempt
        self._call = attempt.call
        self._send = send
        self._wants_usage = wants_usage
        self._usage_event: dict[str, Any] | None = None
        self._pieces: list[str] = []
        self._answer: dict[str, Any] = {}
        self._sending = asyncio.Lock()

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return "".join(self._pieces)

    @property
    def answer(self) -> dict[str, Any]:
        """What the stream told of itself: usage, service tier."""
        return self._answer

    async def run(self, response: aiohttp.ClientResponse) -> None:
        """Relay to the end; raises StreamBrokenError when there is no proper end.

        The attempt is left to the caller to settle: by `answer` after a proper end, by
        `text` after any other.
        """
        await self._start()
        keep_alive = asyncio.create_task(self._keep_alive())
        try:
            async for event in _events(response):
                data = data_of(event)
                if data == b"[DONE]":
                    return
                await self._pass_on(event, data)
        finally:
            keep_alive.cancel()
        raise StreamBrokenError("ended without [DONE]")

    async def finish(self) -> None:
        """Say what the call cost, and end the stream."""
        call = self._call
        cost = call.cost_usd
        ours = {
            "call_id": str(call.id),
            "cost_usd": None if cost is None else usd(cost),
        }
        if self._wants_usage and self._usage_event is not None:
            await self._write(
                b"data: " + orjson.dumps({**self._usage_event, "devora": ours})
            )
        else:
            await self._write(b": devora " + orjson.dumps(ours))
        await self._write(b"data: [DONE]")
        await self._close()

    async def fail(self, fields: dict[str, Any]) -> None:
        """Tell the client that the stream is not whole, and end it without [DONE]."""
        choice = {"index": 0, "delta": {}, "finish_reason": "error"}
        chunk = {
            "id": str(self._call.id),
            "object": "chat.completion.chunk",
            "choices": [choice],
            "error": fields,
        }
        await self._write(b"data: " + orjson.dumps(chunk))
        await self._close()

    async def _start(self) -> None:
        self._call.first_byte()
        headers = [*_HEADERS, *self._call.headers()]
        await self._send(
            {"type": "http.response.start", "status": 200, "headers": headers}
        )

    async def _pass_on(self, event: bytes, data: bytes) -> None:
        if not data:
            await self._write(event)  # a comment
            return
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise StreamBrokenError("sent an event that is not JSON") from error
        if not isinstance(chunk, dict):
            raise StreamBrokenError("sent an event that is no object")
        self._meter(chunk)
        if chunk.get("usage") and not chunk.get("choices"):
            self._usage_event = chunk  # it leaves at the end, with the cost in it
            return
        if chunk.get("error") and not chunk.get("choices"):
            raise StreamBrokenError("reported an error")
        await self._write(event)

    def _meter(self, chunk: dict[str, Any]) -> None:
        if chunk.get("usage"):
            self._answer["usage"] = chunk["usage"]  # cumulative: the last one counts
        if chunk.get("service_tier"):
            self._answer["service_tier"] = chunk["service_tier"]
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict):
                self._pieces.extend(_said(delta))

    async def _write(self, event: bytes) -> None:
        async with self._sending:
            await self._send(
                {
                    "type": "http.response.body",
                    "body": event + b"\n\n",
                    "more_body": True,
                }
            )

    async def _close(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def _keep_alive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(KEEP_ALIVE_S)
                await self._write(b": keep-alive")


def _said(delta: dict[str, Any]) -> list[str]:
    """Return the texts of a delta that a provider bills as output."""
    texts = [delta.get("content"), delta.get("reasoning_content"), delta.get("refusal")]
    for tool in delta.get("tool_calls") or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            texts += [function.get("name"), function.get("arguments")]
    return [text for text in texts if isinstance(text, str)]


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    splitter = EventSplitter()
    try:
        async for piece in response.content.iter_any():
            for event in splitter.feed(piece):
                yield event
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StreamBrokenError("broke off") from error
    except EventTooLongError as error:
        raise StreamBrokenError("sent an event that is too long") from error
