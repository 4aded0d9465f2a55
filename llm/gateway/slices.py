"""Streams share a loop: one turn relays so many bytes of all of them, no more.

A provider may say things faster than we can pass them on, to clients or a front server
that take them in by the megabyte. Fifty such streams fill a turn with fifty sockets' worth
of events, and whatever else is served waits for seconds. So what comes in bulk is relayed
slice by slice, first come first served, a few slices a turn.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

SLICE_BYTES: Final = 8 * 1024
# About a millisecond's work; hundreds of streams at the speed of a model stay below it.
TURN_BYTES: Final = 16 * 1024


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
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._renewal: asyncio.Handle | None = None

    async def take(self, size: int) -> None:
        """Take so many bytes of a turn, waiting until one has something left."""
        loop = asyncio.get_running_loop()
        if self._renewal is None:
            self._renewal = loop.call_soon(self._renew)
        if self._left > 0 and not self._waiting:
            self._left -= size
            return
        granted = loop.create_future()
        self._waiting.append((granted, size))
        await granted

    def _renew(self) -> None:
        self._renewal = None
        again = self._left < TURN_BYTES
        self._left = TURN_BYTES
        while self._waiting and self._left > 0:
            granted, size = self._waiting.popleft()
            if not granted.done():  # or its stream was called off meanwhile
                granted.set_result(None)
                self._left -= size
        if again:  # behind those whom it has let go on
            self._renewal = asyncio.get_running_loop().call_soon(self._renew)
