"""A cap on request bodies, before anything keeps them.

Django writes a body to disk as it comes and looks at its size afterwards, so without a
proxy in front anybody could fill the disk.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson

from devora_ops.common.ids import uuid7

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# A document of 25 MB and the form around it.
MAX_BYTES: Final = 27_262_976


class _TooLarge(Exception):
    """More bytes came than may."""


class BodyLimit:
    """Answers 413 as soon as a body is, or announces to be, too large."""

    def __init__(self, application: Application, *, max_bytes: int = MAX_BYTES) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif _announced(scope) > self._max_bytes:
            await _refuse(send)
        else:
            try:
                await self._application(scope, self._counted(receive), send)
            except _TooLarge:
                await _refuse(send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise _TooLarge
            return message

        return counted


def _announced(scope: Scope) -> int:
    given = dict(scope["headers"]).get(b"content-length", b"0")
    return int(given) if given.isdigit() else 0


async def _refuse(send: Send) -> None:
    error = {
        "code": "payload_too_large",
        "detail": "The body is too large.",
        "attr": None,
    }
    headers = [
        (b"content-type", b"application/json"),
        (b"connection", b"close"),
        (b"cache-control", b"no-store"),
        (b"x-request-id", uuid7().hex.encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    body = orjson.dumps({"type": "client_error", "errors": [error]})
    await send({"type": "http.response.body", "body": body})
