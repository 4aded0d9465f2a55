"""uvicorn's HTTP, guarded: against more requests than there is room for, and idle readers.

What an answer costs decides how much is served under overload: a refusal that is read
at a glance costs a twentieth of a call, one that is parsed a sixth; and an answer that
leaves in a single piece saves a write, which may wake the client for its head alone.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from devora_ops.common.request_ids import HEADER as REQUEST_ID
from devora_ops.http_glance import glance

# Under this name an application's door is found in its lifespan's state.
DOOR: Final = "devora.door"
# Tens of kilobytes wait for a client before we do, and he has to take most of them in
# this time; nginx lets him wait for less.
READER_PATIENCE_S: Final = 60.0

# What changes how an answer is sent.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_CONTROLS: Final = bytes({*range(32), 127} - set(b"\t\r\n"))


class Door(Protocol):
    """Says who may come in."""

    def is_full(self) -> bool:
        """Say whether somebody might be turned away; asked of every request."""

    def turn_away(
        self, path: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes | None:
        """Return a whole answer, or None and count the request in."""


class Exchange(RequestResponseCycle):
    """uvicorn's cycle; a head waits for what follows it, as ASGI has it."""

    _head: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Send a whole answer in one write, and anything else as uvicorn does."""
        if not self.response_started:
            if message["type"] == "http.response.start":
                self._head = message
                return
            head, self._head = self._head, None
            if head is not None and self._sent_whole(head, message):
                return
            if head is not None:
                await super().send(head)
        await super().send(message)

    def _sent_whole(self, head: HTTPResponseStartEvent, message: Any) -> bool:
        """Send an answer if nothing about it is unusual; say whether that was so."""
        body, headers = message.get("body", b""), [*head["headers"]]
        if (
            message.get("more_body")
            or (b"content-length", b"%d" % len(body)) not in headers
            or not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or self.access_log
            or self.scope["method"] == "HEAD"
            or not _FRAMING.isdisjoint(dict(headers))
        ):
            return False
        lines = [b"%b: %b\r\n" % each for each in (*self.default_headers, *headers)]
        written = b"".join((STATUS_LINE[head["status"]], *lines, b"\r\n"))
        # A line break in a value would begin a header, or an answer, of its own.
        breaks = len(lines) + 2
        if written.count(b"\n") != breaks or written.count(b"\r") != breaks:
            return False
        if len(written.translate(None, _CONTROLS)) != len(written):
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(written + body)
        self.message_event.set()
        self.on_response()
        return True


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol that asks first whether a request may come in.

    An application's Door says so. A client who does not read his answer is as good as
    gone.
    """

    reader_patience_s = READER_PATIENCE_S
    _giving_up: asyncio.TimerHandle | None = None
    _inside = False  # a request, by the parser
    _let_in = False
    _owed = 0  # bytes that are still to come of a request refused at a glance

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._door: Door | None = self.app_state.get(DOOR)
        # It asks the logger, whom Django has set up since --no-access-log spoke to him.
        self.access_log = self.access_log and self.config.access_log

    def pause_writing(self) -> None:
        """Wait for the client to read, for a while."""
        super().pause_writing()
        self._giving_up = self.loop.call_later(
            self.reader_patience_s, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Go on, for he has read."""
        super().resume_writing()
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nobody."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; what is left of a refused request must not hold a connection."""
        if self._owed:
            dropped = min(self._owed, len(data))
            self._owed -= dropped
            data = data[dropped:]
            self.on_response_complete()  # he is still there
        if not data or self._is_refused_at_a_glance(data):
            return
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle  # None before the first
        if (
            cycle is not None
            and cycle.response_complete
            and self.timeout_keep_alive_task is None
            and not self.pipeline
            and not self.transport.is_closing()
            # What became a socket lives by its own rules.
            and self.transport.get_protocol() is self
        ):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        """Note that the parser is inside a request."""
        self._inside = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that what comes is the next request."""
        self._inside = False
        super().on_message_complete()

    def _is_refused_at_a_glance(self, data: bytes) -> bool:
        """Refuse the request that begins here, if that can be done without the parser."""
        door = self._door
        cycle: RequestResponseCycle | None = self.cycle  # None before the first
        if door is None or self._inside or not door.is_full():
            return False
        if self.pipeline or not (cycle is None or cycle.response_complete):
            return False  # answers leave in the order of their requests
        seen = glance(data)
        if seen is None or len(data) > seen.size or self.transport.is_closing():
            return False
        answer = door.turn_away(
            seen.path, [(REQUEST_ID, it) for it in seen.request_ids]
        )
        self._let_in = answer is None
        if answer is None:
            return False
        self._owed = seen.size - len(data)
        self._tell(answer)
        self.on_response_complete()
        return True

    def _tell(self, answer: bytes) -> None:
        if self.flow.write_paused:
            self.transport.abort()  # he asks on, and reads no answer
        else:
            self.transport.write(answer)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        answer = None
        if self._door is not None and not self._let_in:
            scope = cycle.scope
            answer = self._door.turn_away(scope["path"], scope["headers"])
        self._let_in = False
        if answer is None:
            self._unset_keepalive_if_required()  # of a refused request before it
            cycle.__class__ = Exchange  # uvicorn has no place to say so
            super()._start_asgi_task(cycle, app)
            return
        # Its body, if one comes, is read and dropped.
        cycle.response_started = cycle.response_complete = True
        self._tell(_as_asked(answer, cycle))
        if not cycle.keep_alive:
            self.transport.close()
        if self.pipeline:  # hundreds may wait there: each in a turn of its own
            self.loop.call_soon(self.on_response_complete)
        else:
            self.on_response_complete()


def _as_asked(answer: bytes, cycle: RequestResponseCycle) -> bytes:
    """Return an answer without a body for HEAD, and with a word when it is the last."""
    if cycle.keep_alive and cycle.scope["method"] != "HEAD":
        return answer
    head, end, body = answer.partition(b"\r\n\r\n")
    if not cycle.keep_alive:
        head += b"\r\nconnection: close"
    return head + end + (b"" if cycle.scope["method"] == "HEAD" else body)
