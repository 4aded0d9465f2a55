"""One connection to Redis: many commands in one write, replies matched in order.

OSError
├── RedisDown      nobody answers, or did not in time; whether it ran is not known
└── RedisRefused   Redis answered with an error (OOM, READONLY, NOSCRIPT…)
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

Argument = str | bytes | int | float
Refused = Callable[["RedisRefused"], None]  # what is told that a command was refused

_MOST_UNSENT = 4 << 20  # bytes that may wait for a Redis that reads slowly
_SECOND_LOOK = 0.2  # of the deadline
_NOT_YET = object()


class RedisDown(OSError):
    """Nobody answers, or did not in time; whether the command ran is not known."""


class RedisRefused(OSError):
    """Redis answered with an error; code is its first word."""

    @property
    def code(self) -> str:
        """The word that programs read, such as NOSCRIPT."""
        return str(self).partition(" ")[0]


class RedisWire(asyncio.Protocol):
    """A connection from its making to its loss, after which it is of no more use.

    lost: resolves to the reason once the connection is gone or a reply is overdue.
    """

    def __init__(self, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._unsent: list[bytes] = []
        self._pending: deque[tuple[float, asyncio.Future[Any] | Refused]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.choked = False

    def send(self, command: tuple[Argument, ...]) -> asyncio.Future[Any]:
        """Send a command with what else this tick of the loop sends.

        The future needs no one to await it: an error that nobody asks for is not logged.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.lost.done():
            return fail(future, RedisDown(self.lost.result()))
        self._queue(command, future)
        return future

    def tell(self, command: tuple[Argument, ...], refused: Refused) -> None:
        """Send a command whose reply only matters when it is a refusal."""
        if not self.lost.done():
            self._queue(command, refused)

    def _queue(
        self, command: tuple[Argument, ...], answers: asyncio.Future[Any] | Refused
    ) -> None:
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)
        deadline = self._loop.time() + self._timeout_s
        self._pending.append((deadline, answers))
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._check)

    def lose(self, reason: str) -> None:
        """Give the connection up; what waits for a reply learns of it now."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._unsent.clear()
        while self._pending:
            _, waiting = self._pending.popleft()
            if isinstance(waiting, asyncio.Future):
                fail(waiting, RedisDown(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to write."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by type
        self._transport.set_write_buffer_limits(high=_MOST_UNSENT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell what still waits."""
        self.lose(str(exc) if exc else "Redis closed the connection")

    def pause_writing(self) -> None:
        """Note that Redis reads more slowly than we write."""
        self.choked = True

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self.choked = False

    def data_received(self, data: bytes) -> None:
        """Hand replies to those that wait for them."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOT_YET:
                self._settle(reply)
        except hiredis.ProtocolError as error:
            self.lose(f"this is not Redis: {error}")

    def _settle(self, reply: object) -> None:
        if not self._pending:
            # Such as "max number of clients reached", which answers no command.
            self.lose(str(reply))
            return
        _, waiting = self._pending.popleft()
        refusal = (
            RedisRefused(str(reply)) if isinstance(reply, hiredis.ReplyError) else None
        )
        if not isinstance(waiting, asyncio.Future):
            if refusal is not None:
                waiting(refusal)
        elif waiting.done():
            pass  # its caller has gone; the reply had to be taken all the same
        elif refusal is not None:
            fail(waiting, refusal)
        else:
            waiting.set_result(reply)

    def _flush(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def _check(self) -> None:
        """Look whether the oldest command is overdue: one timer serves all of them."""
        self._timer = None
        if not self._pending:
            return
        deadline, oldest = self._pending[0]
        if deadline > self._loop.time():
            self._timer = self._loop.call_at(deadline, self._check)
        else:
            # When our own loop stood still the command may hardly have left, or its
            # reply may lie in the socket unread: look again after a while.
            self._timer = self._loop.call_later(
                self._timeout_s * _SECOND_LOOK, self._give_up, oldest
            )

    def _give_up(self, oldest: asyncio.Future[Any] | Refused) -> None:
        if self._pending and self._pending[0][1] is oldest:
            self.lose(f"no reply within {self._timeout_s:g} s")
        else:
            self._check()


def fail(future: asyncio.Future[Any], error: OSError) -> asyncio.Future[Any]:
    """Fail a future unless its caller has gone, and have nobody warned of it."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen
    return future
