"""An upstream that writes recorded streams in the pieces that a request asks for."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from tests.llm.recordings import cut

_BETWEEN_PIECES_S = 0.001  # so that each arrives alone
_HEAD = b"""HTTP/1.1 200 OK\r
Content-Type: text/event-stream\r
Transfer-Encoding: chunked\r
\r
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request's message asks for, as JSON: a stream's name, and where to cut it.

    short: bytes that its end lacks.
    """

    wire: str
    cuts: Sequence[int] = ()
    short: int = 0

    def message(self) -> str:
        """Return the message's text."""
        return orjson.dumps(self).decode()


class RecordedUpstream:
    """Serves every POST from a thread of its own; a context manager.

    wires: what streams there are, by name. pieces: how many were written so far.
    """

    def __init__(self, wires: Mapping[str, bytes]) -> None:
        self.url = ""
        self.pieces = 0
        self._wires = wires
        self._listens = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=[self._run()])
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def __enter__(self) -> "RecordedUpstream":
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listens.set()
        await self._stop.wait()
        server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Cancelled, it ends in order: asyncio reports a connection that does not.
        with suppress(
            asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError
        ):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = orjson.loads(await reader.readexactly(_length(head)))
                await self._answer(_wanted(body), writer)
        writer.close()

    async def _answer(self, wanted: Wanted, writer: asyncio.StreamWriter) -> None:
        wire = self._wires[wanted.wire]
        writer.write(_HEAD)
        for piece in cut(wire[: len(wire) - wanted.short], wanted.cuts):
            if piece:
                self.pieces += 1
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(_BETWEEN_PIECES_S)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _length(head: bytes) -> int:
    (line,) = (it for it in head.lower().split(b"\r\n") if it.startswith(b"content-le"))
    return int(line.partition(b":")[2])


def _wanted(body: Mapping[str, Any]) -> Wanted:
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else content[0]["text"]
    return Wanted(**orjson.loads(text))
