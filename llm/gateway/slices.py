"""Streams share a loop: of a turn, relaying them takes no more than all the rest does.

A provider may say things faster than we can pass them on, to clients or a front server
that take them in by the megabyte. Fifty such streams fill a turn with fifty sockets' worth
of events, and whatever else is served waits for seconds. So what comes in bulk is relayed
slice by slice, first come first served, a few slices a turn. Turns that are long for
other reasons relay more, or streams would be what an overload starves.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

SLICE_BYTES: Final = 8 * 1024
# About a millisecond's work, which every turn may do; longer ones as much as half of
# their time allows: relaying then takes what the rest takes, and turns do not grow.
TURN_BYTES: Final = 16 * 1024
_TURN_S: Final = 0.001
_SHARE: Final = 0.5


def slices(piece: bytes) -> Iterator[bytes]:
    """Yield a piece in slices, which is itself when it is small."""
    if len(piece) <= SLICE_BYTES:
        yield piece
        return
    for start in range(0, len(piece), SLICE_BYTES):
        yield piece[start : start + SLICE_BYTES]


class Turns:
    """What is left of the loop's turn for relaying, and who waits for the next ones."""

    def __init__(self) -> None:
        self._left = TURN_BYTES
        self._room = TURN_BYTES
        self._began = 0.0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._renewal: asyncio.Handle | None = None

    async def take(self, size: int) -> None:
        """Take so many bytes of a turn, waiting until one has something left."""
        loop = asyncio.get_running_loop()
        if self._renewal is None:
            self._began = time.perf_counter()
            self._renewal = loop.call_soon(self._renew)
        if self._left > 0 and not self._waiting:
            self._left -= size
            return
        granted = loop.create_future()
        self._waiting.append((granted, size))
        await granted

    def _renew(self) -> None:
        self._renewal = None
        began, self._began = self._began, time.perf_counter()
        again = self._left < self._room
        turns = (self._began - began) / _TURN_S
        self._left = self._room = round(TURN_BYTES * max(1.0, _SHARE * turns))
        while self._waiting and self._left > 0:
            granted, size = self._waiting.popleft()
            if not granted.done():  # or its stream was called off meanwhile
                granted.set_result(None)
                self._left -= size
        if again:  # behind those whom it has let go on
            self._renewal = asyncio.get_running_loop().call_soon(self._renew)
