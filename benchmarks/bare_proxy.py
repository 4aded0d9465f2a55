"""The reference: ASGI proxies that do nothing but pass a request on, one per client.

Each serves under uvicorn and granian alike: `benchmarks.bare_proxy:over_aiohttp` and so
on. BENCHMARK_UPSTREAM is the port they pass requests on to.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CONNECTIONS = 1000
_URL = f"http://127.0.0.1:{os.environ.get('BENCHMARK_UPSTREAM', '0')}"
_PASSED_ON = {b"authorization": "Authorization", b"content-type": "Content-Type"}


class Client(Protocol):
    """One HTTP client's way of posting."""

    async def open(self) -> None:
        """Start, in the loop that posts."""

    async def close(self) -> None:
        """Let go of all connections."""

    async def whole(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Return the answer's status and body."""

    def pieces(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> AsyncIterator[bytes]:
        """Yield the answer's body as it comes."""


class OverAiohttp:
    """aiohttp's own client."""

    async def open(self) -> None:
        """Start, in the loop that posts."""
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        self._session = aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._session.close()

    async def whole(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Return the answer's status and body."""
        url = _URL + path
        async with self._session.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    async def pieces(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> AsyncIterator[bytes]:
        """Yield the answer's body as it comes."""
        url = _URL + path
        async with self._session.post(url, data=body, headers=headers) as answer:
            async for piece in answer.content.iter_any():
                yield piece


class OverHttpx:
    """httpx, by default over its own transport (httpcore)."""

    client: type[httpx.AsyncClient] = httpx.AsyncClient

    async def open(self) -> None:
        """Start, in the loop that posts."""
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        self._client = self.client(limits=limits, timeout=60, trust_env=False)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def whole(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Return the answer's status and body."""
        answer = await self._client.post(_URL + path, content=body, headers=headers)
        return answer.status_code, answer.content

    async def pieces(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> AsyncIterator[bytes]:
        """Yield the answer's body as it comes."""
        url = _URL + path
        async with self._client.stream(
            "POST", url, content=body, headers=headers
        ) as answer:
            async for piece in answer.aiter_bytes():
                yield piece


class OverHttpxAiohttp(OverHttpx):
    """httpx's interface over aiohttp's client."""

    client = HttpxAiohttpClient


class BareProxy:
    """An ASGI application that passes every request on."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = await _body(receive)
        headers = {
            _PASSED_ON[name]: value.decode()
            for name, value in scope["headers"]
            if name in _PASSED_ON
        }
        if b'"stream":true' in body:
            await self._relay(scope["path"], headers, body, send)
            return
        status, answer = await self._client.whole(scope["path"], headers, body)
        await send(_start(status, b"application/json", len(answer)))
        await send({"type": "http.response.body", "body": answer})

    async def _relay(
        self, path: str, headers: dict[str, str], body: bytes, send: Send
    ) -> None:
        await send(_start(200, b"text/event-stream"))
        async for piece in self._client.pieces(path, headers, body):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._client.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._client.close()
        await send({"type": "lifespan.shutdown.complete"})


def _start(status: int, kind: bytes, length: int | None = None) -> dict[str, Any]:
    headers = [(b"content-type", kind)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


over_aiohttp = BareProxy(OverAiohttp())
over_httpx = BareProxy(OverHttpx())
over_httpx_aiohttp = BareProxy(OverHttpxAiohttp())
