"""Clients that take their time: connections that nobody honest would keep open."""

import asyncio
import itertools
import math
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_BYTE_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class Slow:
    """One connection: sends its start at once, the rest byte by byte, reads likewise.

    rest: empty for one that falls silent. reads: a byte a time, else all there is.
    lasted_s: until the other side closed it; not a number while it is open.
    """

    start: bytes
    rest: bytes = b""
    reads: bool = False
    lasted_s: float = math.nan
    heard: bytearray = field(default_factory=bytearray)

    async def run(self, port: int) -> None:
        """Go on until the other side has had enough."""
        reader, writer = await _connect(port, small=self.reads)
        began = time.monotonic()
        writer.write(self.start)
        listening = asyncio.create_task(self._listen(reader))
        try:
            for byte in itertools.chain(self.rest):
                await asyncio.wait({listening}, timeout=_BYTE_EVERY_S)
                if listening.done():
                    break
                writer.write(bytes([byte]))
            await listening
        finally:
            listening.cancel()
            writer.transport.abort()
        self.lasted_s = time.monotonic() - began

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while piece := await reader.read(1 if self.reads else 65536):
                self.heard += piece
                if self.reads:
                    await asyncio.sleep(_BYTE_EVERY_S)
        except ConnectionError:
            return


async def _connect(
    port: int, *, small: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    if small:  # what the kernel takes in for a slow reader is not read by him
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=sock, limit=1024)


class SlowClients:
    """Many of them in a thread; a context manager that hangs up when it is left."""

    def __init__(self, clients: Sequence[Slow], *, port: int) -> None:
        self.clients = clients
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="slow clients")

    def __enter__(self) -> "SlowClients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._all.cancel)
        self._thread.join()

    @property
    def open(self) -> list[Slow]:
        """Those that nobody has closed yet."""
        return [it for it in self.clients if math.isnan(it.lasted_s)]

    def _run(self) -> None:
        self._all = self._loop.create_task(self._run_all())
        try:
            self._loop.run_until_complete(self._all)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _run_all(self) -> None:
        await asyncio.gather(*(it.run(self._port) for it in self.clients))
        await asyncio.get_running_loop().create_future()  # until it is left
