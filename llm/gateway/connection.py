"""One HTTP/1.1 connection to a provider: a request at a time, answered as it comes.

httptools parses; TLS is the loop's. What a general client does besides (redirects,
cookies, proxies, compression) no provider needs, and it took a quarter of what a call
costs us.

OSError
├── ConnectionBroken   the connection, or what came over it, came to no proper end
└── AnswerTooLarge     more came than anybody would say
"""

import asyncio
import math
from collections.abc import Callable
from typing import Self, cast

import httptools

_MOST_HEAD_BYTES = 64 * 1024
_MOST_WAITING = 256 * 1024  # bytes of a stream that may wait for a slow reader


class ConnectionBroken(OSError):
    """The connection, or what came over it, came to no proper end."""


class AnswerTooLarge(OSError):
    """More came than anybody would say."""


class Answer:
    """What one request is answered: its head, then its body whole or in pieces.

    status: 0 until the head has come. headers: by lower-case name; of a repeated one the
    last. deadline: when it is too late for what comes next, on the loop's clock; each
    piece puts it off by patience_s, but never beyond latest.
    """

    def __init__(self, connection: "Connection", *, most_bytes: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.deadline = self.latest = math.inf
        self.patience_s = math.inf
        self._connection = connection
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = self._head_size = 0
        self._error: OSError | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._waits_for_all = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.end()

    async def begun(self) -> None:
        """Wait for the status and the headers; raises OSError."""
        while not self.status:
            await self._more()

    async def ended(self) -> None:
        """Wait for all of it; raises OSError."""
        self._waits_for_all = True
        while not self.complete:
            await self._more()

    async def body(self) -> bytes:
        """Return the whole body; raises OSError."""
        await self.ended()
        return self._taken()

    async def piece(self) -> bytes:
        """Return what has come of the body, empty at its end; raises OSError."""
        while not (self._pieces or self.complete):
            await self._more()
        self._connection.go_on()
        return self._taken()

    def cut_off(self) -> bytes:
        """Have no more of it; return what has come of the body and was not read."""
        if not self.complete:
            self._connection.close()
        return self._taken()

    def fail(self, error: OSError) -> None:
        """Have whoever waits know that nothing more will come."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    # --- what the connection tells -------------------------------------------------

    def take_header(self, name: bytes, value: bytes) -> bool:
        """Take one header in; says whether there is room for it."""
        self._head_size += len(name) + len(value)
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        return self._head_size <= _MOST_HEAD_BYTES

    def take_head(self, status: int) -> None:
        """Take note that the head is whole."""
        if status < 200:  # an interim one, which says nothing yet
            self.headers.clear()
            return
        self.status = status
        if not self._waits_for_all:
            self._wake()

    def take_piece(self, piece: bytes) -> bool:
        """Take a piece of the body in; says whether there is room for more."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._waits_for_all:
            return self._size <= self._most_bytes
        self.be_patient()
        self._wake()
        return self._size <= _MOST_WAITING

    def be_patient(self) -> None:
        """Put the deadline off, for something has come or somebody reads on."""
        now = self._connection.loop.time()
        self.deadline = min(self.latest, now + self.patience_s)

    @property
    def waits_for_all(self) -> bool:
        """Whether the body is read whole, in memory."""
        return self._waits_for_all

    def take_end(self) -> None:
        """Take note that the body is whole."""
        self.complete = True
        self._wake()

    def _taken(self) -> bytes:
        pieces, self._pieces, self._size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiting = self._connection.loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Connection(asyncio.Protocol):
    """A connection from its making to its loss.

    free: told when it can serve another request. lost: told once, when it can serve no
    more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        free: "Callable[[Connection], None]",
        lost: "Callable[[Connection], None]",
    ) -> None:
        self.loop = loop
        self.idle_since = 0.0
        self._free = free
        self._lost: Callable[[Connection], None] | None = lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self.paused = False
        self._ends_with_connection = self._can_serve_more = False

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent now, as far as anybody knows."""
        transport = self._transport
        return transport is not None and not transport.is_closing()

    def send(self, request: bytes, *, most_bytes: int) -> Answer:
        """Send a request; most_bytes: of a body that is read whole."""
        assert self._transport is not None
        assert self._answer is None, "one request at a time"
        self._can_serve_more = False
        self._answer = answer = Answer(self, most_bytes=most_bytes)
        self._transport.write(request)
        return answer

    def end(self) -> None:
        """End the exchange, and serve another one if that is possible.

        A connection that is left in the middle of an answer is closed at once: that is
        how a provider learns that nobody listens any more.
        """
        answer, self._answer = self._answer, None
        self.go_on()
        if (
            answer is not None
            and answer.complete
            and self.is_open
            and self._can_serve_more
        ):
            self._free(self)
        else:
            self.close()

    def end_if_late(self) -> None:
        """Give up an answer whose next part is late, and not because we do not read."""
        answer = self._answer
        if (
            answer is not None
            and not answer.complete
            and not self.paused
            and self.loop.time() > answer.deadline
        ):
            self._fail(TimeoutError("the provider did not answer in time"))

    def close(self) -> None:
        """Let go of it at once."""
        if self._transport is not None:
            self._transport.abort()
        self._gone()

    def go_on(self) -> None:
        """Read on, if reading was stopped."""
        if self.paused and self._transport is not None:
            self.paused = False
            if self._answer is not None:
                self._answer.be_patient()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # --- asyncio.Protocol ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by type

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer that was coming, well or not."""
        answer = self._answer
        if answer is not None and not answer.complete:
            if answer.status and self._ends_with_connection and exc is None:
                answer.take_end()
            else:
                answer.fail(ConnectionBroken(str(exc or "the provider hung up")))
        self._gone()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._answer is None:  # nobody asked: such as a 408 before it hangs up
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionBroken(f"this is no HTTP: {error!r}"))

    # --- httptools -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request."""
        if self._answer is None or self._answer.complete:
            self._can_serve_more = False
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header in."""
        if self._answer is not None and not self._answer.take_header(name, value):
            self._fail(AnswerTooLarge("the head is too large"))

    def on_headers_complete(self) -> None:
        """Take the head in."""
        if self._answer is not None and not self._answer.complete:
            headers = self._answer.headers
            self._ends_with_connection = (
                "content-length" not in headers and "transfer-encoding" not in headers
            )
            self._answer.take_head(self._parser.get_status_code())

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body in; stop reading while too much of it waits."""
        answer = self._answer
        if answer is None or answer.complete or answer.take_piece(piece):
            return
        if answer.waits_for_all:
            self._fail(AnswerTooLarge("the body is too large"))
        elif not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the answer, unless it was an interim one."""
        if self._answer is not None and self._answer.status:
            self._can_serve_more = self._parser.should_keep_alive()
            self._answer.take_end()

    def _fail(self, error: OSError) -> None:
        if self._answer is not None:
            self._answer.fail(error)
        self.close()

    def _gone(self) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(self)
