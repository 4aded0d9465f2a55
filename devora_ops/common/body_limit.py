"""A cap on request bodies in size and in time, before anything keeps them.

Django writes a body to disk as it comes and looks at its size afterwards, and waits for
it as long as its sender likes; so without a proxy in front anybody could fill the disk
or hold connections.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson

from devora_ops.common import request_ids

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# A document of 25 MB and the form around it.
MAX_BYTES: Final = 27_262_976
TIMEOUT_S: Final = 13.0


class _TooLarge(Exception):
    """More bytes came than may."""


class _TooSlow(Exception):
    """The body has not come in time."""


class BodyLimit:
    """Answers 413 as soon as a body is, or announces to be, too large, 408 if it is slow.

    timeout_s: of silence while the body is not whole.
    """

    def __init__(
        self,
        application: Application,
        *,
        max_bytes: int = MAX_BYTES,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._application = application
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif _announced(scope) > self._max_bytes:
            await _refuse(scope, send, *_LARGE)
        else:
            try:
                await self._application(scope, self._counted(receive), send)
            except _TooLarge:
                await _refuse(scope, send, *_LARGE)
            except _TooSlow:
                await _refuse(scope, send, *_SLOW)

    def _counted(self, receive: Receive) -> Receive:
        seen, whole = 0, False

        async def counted() -> Message:
            nonlocal seen, whole
            # Behind the body comes word that the client has gone: that may take long.
            limit_s = None if whole else self._timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    message = await receive()
            except TimeoutError:
                raise _TooSlow from None
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise _TooLarge
            return message

        return counted


def _announced(scope: Scope) -> int:
    given = dict(scope["headers"]).get(b"content-length", b"0")
    return int(given) if given.isdigit() else 0


_LARGE = (413, "payload_too_large", "The body is too large.")
_SLOW = (408, "timeout", "The request's body did not arrive in time.")


async def _refuse(
    scope: Scope, send: Send, status: int, code: str, detail: str
) -> None:
    error = {"code": code, "detail": detail, "attr": None}
    headers = [
        (b"content-type", b"application/json"),
        (b"connection", b"close"),
        (b"cache-control", b"no-store"),
        (request_ids.HEADER, request_ids.of(scope["headers"]).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = orjson.dumps({"type": "client_error", "errors": [error]})
    await send({"type": "http.response.body", "body": body})
