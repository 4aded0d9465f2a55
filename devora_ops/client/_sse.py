"""Server-sent events, decoded as they arrive.

Source: WHATWG HTML, "Server-sent events", parsing an event stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event; several data lines are joined by line feeds."""

    data: str
    name: str = "message"


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that starts with a colon: keep-alives, and the gateway's cost line."""

    text: str


class LineSplitter:
    """Cuts chunks of bytes into lines that end with CR, LF or CRLF.

    It works on bytes: a line break is never part of a longer UTF-8 sequence, so a
    character that is split between two chunks is whole again when its line is.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the lines that the chunk completes, without their ends."""
        if not chunk:
            return
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        for line in chunk.splitlines(keepends=True):
            self._pieces.append(line)
            if line.endswith((b"\r", b"\n")):
                yield b"".join(self._pieces).rstrip(b"\r\n")
                self._pieces.clear()
        self._after_cr = chunk.endswith(b"\r")


class Decoder:
    """Turns chunks of an event stream into events and comments, in order.

    What is unfinished when the stream ends is dropped, as the standard says.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._data: list[str] = []
        self._name = ""
        self._started = False

    def feed(self, chunk: bytes) -> Iterator[Event | Comment]:
        """Give what the chunk completes; a chunk may end anywhere."""
        for line in self._lines.feed(chunk):
            if not self._started:
                line = line.removeprefix(_BOM)
                self._started = True
            found = self._take(line.decode("utf-8", "replace"))
            if found is not None:
                yield found

    def _take(self, line: str) -> Event | Comment | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            return Comment(value)
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name = [], ""
        return Event("\n".join(data), name or "message") if data else None
