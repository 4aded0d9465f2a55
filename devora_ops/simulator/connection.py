"""One HTTP exchange as the simulator's server sees it: read, answer, pause, drop."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

TRANSPORT = "simulator.transport"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientGoneError(Exception):
    """The client closed its connection before the answer was complete."""


class Connection:
    """One request and its reply. Methods that wait or send raise ClientGoneError."""

    __slots__ = ("_receive", "_send", "_watch", "gone_at", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.gone_at: datetime | None = None
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[None] | None = None

    async def body(self) -> bytes:
        parts: list[bytes] = []
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone_at = datetime.now(UTC)
                raise ClientGoneError
            parts.append(message["body"])
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.start(status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Headers) -> None:
        message = {"type": "http.response.start", "status": status, "headers": headers}
        await self._send(message)

    async def send(self, data: bytes) -> None:
        if self._watch is not None and self._watch.done():
            raise ClientGoneError
        message = {"type": "http.response.body", "body": data, "more_body": True}
        await self._send(message)

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    def watch(self) -> "asyncio.Task[None]":
        """Start noticing that the client goes away; return what ends when it does."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._await_disconnect())
        return self._watch

    async def pause(self, seconds: float) -> None:
        if seconds > 0 and (await asyncio.wait({self.watch()}, timeout=seconds))[0]:
            raise ClientGoneError

    async def wait_for(self, event: "asyncio.Future[None]") -> None:
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait({self.watch(), event}, return_when=first)
        if not event.done():
            raise ClientGoneError

    async def drop(self, *, reset: bool = False) -> None:
        """Close the connection with whatever was sent: cleanly, or by a TCP reset."""
        transport = self.scope["extensions"][TRANSPORT]["transport"]
        watch = self.watch()
        if reset:
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()
        # Returning before the server has noticed would make it log a broken reply.
        await watch
        self.gone_at = None

    def end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _await_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone_at = datetime.now(UTC)
