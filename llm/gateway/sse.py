"""Server-sent events: bytes in any pieces in, whole events out."""

import re
from collections.abc import Iterator

from llm.gateway.upstream import MOST_LINE_BYTES

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


class EventTooLongError(Exception):
    """One event has more bytes than any honest one."""


class EventSplitter:
    """Splits a byte stream into events, wherever its pieces were cut."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the events that a piece completes, without their blank line.

        Raises EventTooLongError when what is kept grows past a megabyte.
        """
        self._buffer += piece
        *events, self._buffer = _END_OF_EVENT.split(self._buffer)
        if len(self._buffer) > MOST_LINE_BYTES:
            raise EventTooLongError
        for event in events:
            if event:
                yield event


def data_of(event: bytes) -> bytes:
    """Return an event's data: its data lines joined by newlines, empty for a comment."""
    if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
        return event[6:]
    lines = (
        line[5:].removeprefix(b" ")
        for line in _END_OF_LINE.split(event)
        if line.startswith(b"data:")
    )
    return b"\n".join(lines)
