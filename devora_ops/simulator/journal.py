"""The append-only file of what the simulator accepted and would bill.

JSON lines, three kinds of event:
    accepted  the request was read and would be served
    billed    it is over: usage is what a bill would say, in the API's own shape.
              A JSON answer is billed whole; a stream that did not get to its end is
              billed for the prompt and the completion tokens that were sent; a
              connection reset without a reply for the prompt alone
    refused   an error status; nothing is billed
A write() to a file opened with O_APPEND holds whole lines, so lines of several processes
never mix and none is lost when another process dies.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

Event = Literal["accepted", "billed", "refused"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. attempt: the request's X-Devora-Attempt; at: aware UTC.

    status belongs to refused lines, what follows it to billed ones.
    completed: everything was sent, the end of a stream included. client_gone_at: when
    the client closed its connection, None if it did not.
    """

    event: Event
    at: datetime
    api: str
    model: str
    stream: bool
    attempt: str | None = None
    status: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    completed: bool = False
    chunks_sent: int = 0
    client_gone: bool = False
    client_gone_at: datetime | None = None


class Journal:
    """Appends entries to the file at `path`, which is made if need be."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(path, flags, 0o644)

    def write(self, event: Event, line: dict[str, Any]) -> None:
        """Append one line; `line` holds Entry's other fields, None ones left out."""
        line = {"event": event, "at": datetime.now(UTC), **line}
        self.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def append(self, lines: bytes) -> None:
        """Append whole lines that were made elsewhere."""
        os.write(self._file, lines)


def read(path: Path | str) -> list[Entry]:
    """Return the entries in the order they were written; an unfinished line is left."""
    return list(entries(Path(path).read_bytes()))


def entries(content: bytes) -> Iterator[Entry]:
    """Yield the entries of a part of the file that begins with a line."""
    for line in content.split(b"\n")[:-1]:
        fields = orjson.loads(line)
        for name in ("at", "client_gone_at"):
            if fields.get(name):
                fields[name] = datetime.fromisoformat(fields[name])
        yield Entry(**fields)
