"""uvicorn's HTTP, guarded: against more requests than there is room for, and idle readers.

What an answer costs decides how much is served under overload: one that never becomes
a task of its own costs a fifth of one that does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

# In the lifespan's state: returns a whole answer, or None when there is room.
TURN_AWAY: Final = "devora.turn_away"
TurnAway = Callable[[HTTPScope], bytes | None]
# Tens of kilobytes wait for a client before we do, and he has to take most of them in
# this time; nginx lets him wait for less.
READER_PATIENCE_S: Final = 60.0


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol that asks first whether a request may come in.

    An application says so in its lifespan's state; see TURN_AWAY. A client who does not
    read his answer is as good as gone.
    """

    reader_patience_s = READER_PATIENCE_S
    _giving_up: asyncio.TimerHandle | None = None

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

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        turn_away: TurnAway | Any = self.app_state.get(TURN_AWAY)
        answer = turn_away(cycle.scope) if turn_away else None
        if answer is None:
            self._unset_keepalive_if_required()  # of a refused request before it
            super()._start_asgi_task(cycle, app)
            return
        # Its body, if one comes, is read and dropped.
        cycle.response_started = cycle.response_complete = True
        if self.flow.write_paused:
            self.transport.abort()  # he asks on, and reads no answer
            return
        self.transport.write(_as_asked(answer, cycle))
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
