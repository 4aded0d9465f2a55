"""How much an event loop may begin in one turn, so that turns stay short.

A loop serves in turns: what arrived during one is begun in the next. While more comes
than can be served, turns grow without end, and with them the time until anybody hears
anything. So each begins with no more than fits, which is found as TCP finds what fits
into a network: half as much after a long turn, a little more after a short one (Jacobson,
"Congestion Avoidance and Control", 1988).
"""

import asyncio
import time
from typing import Final

LONG_S: Final = 0.02
# A crowd that has kept its connections comes in one turn, and may.
MOST: Final = 512
LEAST: Final = 16
STEP: Final = 4
_EVERY_S: Final = 0.01


class Room:
    """How many a turn may begin with. Pure."""

    def __init__(self) -> None:
        self.size = MOST

    def turned(self, took_s: float) -> None:
        """Take in how long a turn took."""
        if took_s > LONG_S:
            self.size = max(LEAST, self.size // 2)
        else:
            self.size = min(MOST, self.size + STEP)


class Pulse:
    """Measures a loop's turns, a hundred times a second, and counts what each begins."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = Room()
        self._begun = 0
        self._began_at = 0.0
        self._next: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin to measure; call it in the loop."""
        self._loop = asyncio.get_running_loop()
        self._measure()

    def stop(self) -> None:
        """Measure no more."""
        if self._next is not None:
            self._next.cancel()
        self._loop = None

    def has_room(self) -> bool:
        """Say whether this turn may begin with one more."""
        return self._begun < self._room.size

    def begin(self) -> None:
        """Count one that this turn began with."""
        if not self._begun and self._loop is not None:
            self._loop.call_soon(self._renew)
        self._begun += 1

    def _renew(self) -> None:
        self._begun = 0

    def _measure(self) -> None:
        assert self._loop is not None
        self._began_at = time.monotonic()
        # Timers come first in a turn: what is called soon may be in the same one.
        self._next = self._loop.call_soon(self._wait_a_turn)

    def _wait_a_turn(self) -> None:
        assert self._loop is not None
        self._next = self._loop.call_soon(self._turned)

    def _turned(self) -> None:
        assert self._loop is not None
        self._room.turned(time.monotonic() - self._began_at)
        self._next = self._loop.call_later(_EVERY_S, self._measure)
