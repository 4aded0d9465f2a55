"""Server-sent events: bytes in any pieces in, whole events out.

Source: WHATWG HTML, "Server-sent events", parsing an event stream.
"""

import re
from collections.abc import Iterator

from llm.gateway.upstream import MOST_LINE_BYTES

_BLANK_LINE = b"\n\n"
# Lines may end in each of the three ways; a CR before a LF is no end of its own.
_ANY_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")
_LINE_ENDS = b"\r\n"


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
        if b"\n" not in piece and b"\r" not in piece:
            events = []  # it ends nothing: a long event is not searched again and again
        elif b"\r" in self._buffer:
            *events, self._buffer = _ANY_BLANK_LINE.split(self._buffer)
        else:
            *events, self._buffer = self._buffer.split(_BLANK_LINE)
        if len(self._buffer) > MOST_LINE_BYTES:
            raise EventTooLongError
        for event in events:
            # More blank lines, or the LF of a CRLF whose CR ended an event already.
            if event := event.lstrip(_LINE_ENDS):
                yield event

    def rest(self) -> bytes:
        """Return the event that the stream ended with, if no blank line follows it."""
        return self._buffer.strip(_LINE_ENDS)


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
