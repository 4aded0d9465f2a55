"""Bytes in and out of ASGI: bodies with a limit and a deadline, JSON answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError, InvalidRequest, PayloadTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MOST_BODY_BYTES = 32 * 2**20
BODY_TIMEOUT_S = 13.0  # and a second until somebody looks


class ClientGoneError(Exception):
    """The caller hung up before its request was whole."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return a header that may occur once; raises InvalidRequest when it is repeated."""
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) > 1:
        raise InvalidRequest(
            f"The header {name.decode()} occurs more than once.", code="bad_request"
        )
    return found[0] if found else None


class BodyReader:
    """Reads bodies, and ends those that trickle in or never come.

    One look a second at all of them; a time-out of its own would cost each call more
    than reading its body does.
    """

    def __init__(self) -> None:
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._watch = asyncio.create_task(self._end_late_ones())

    def stop(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body.

        Raises PayloadTooLarge, InvalidRequest, ClientGoneError.
        """
        declared = header(scope, b"content-length")
        if declared and declared.isdigit() and int(declared) > MOST_BODY_BYTES:
            raise _too_large()
        task = asyncio.current_task()
        assert task is not None, "a request is served in a task"
        self._reading[task] = time.monotonic()
        try:
            return await _whole_body(receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            raise InvalidRequest(
                "The request's body did not arrive in time.", status=408, code="timeout"
            ) from None
        finally:
            del self._reading[task]

    async def _end_late_ones(self) -> None:
        while True:
            await asyncio.sleep(1)
            late = time.monotonic() - BODY_TIMEOUT_S
            for task, since in list(self._reading.items()):
                if since < late and task not in self._late:
                    self._late.add(task)
                    task.cancel()


async def _whole_body(receive: Receive) -> bytes:
    message = await _next(receive)
    body: bytes | bytearray = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > MOST_BODY_BYTES:
            break
        message = await _next(receive)
        body = bytearray(body) if isinstance(body, bytes) else body
        body += message.get("body", b"")
    if len(body) > MOST_BODY_BYTES:
        raise _too_large()
    return bytes(body)


async def _next(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"A body may have at most {MOST_BODY_BYTES} bytes.")


async def send_bytes(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    """Send a whole JSON answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def error_bytes(error: DevoraError, asked: str, *, body: Mapping[str, Any]) -> bytes:
    """Return an error as HTTP/1.1 has it, for where there is nobody to send it."""
    told = orjson.dumps(body)
    headers = {
        "content-type": "application/json",
        "content-length": len(told),
        "x-request-id": asked,
        **error.headers,
    }
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    reason = HTTPStatus(error.status).phrase
    return f"HTTP/1.1 {error.status} {reason}\r\n{lines}\r\n".encode() + told


async def send_error(
    send: Send,
    error: DevoraError,
    headers: Iterable[tuple[bytes, bytes]],
    *,
    body: Mapping[str, Any],
) -> None:
    """Send an error; body: its fields in the endpoint's own shape."""
    extra = [(k.lower().encode(), v.encode()) for k, v in error.headers.items()]
    await send_bytes(send, error.status, orjson.dumps(body), [*headers, *extra])
