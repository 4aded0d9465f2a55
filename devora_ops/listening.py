"""An event loop that lets in more than one new connection a turn.

libuv accepts one connection a turn (libuv#3696), and a busy loop has fifty turns a
second: whoever comes without a kept connection, a page or a health check, waits for
half a minute behind those that came before, and the kernel turns others away.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import uvloop

# Each costs a new connection half a microsecond when nobody else waits.
_A_TURN: Final = 16
# Bytes that the kernel takes for a client who does not read them; by itself, megabytes
# each, so that a slow reader's stream is paid for whole before anybody feels him. It
# doubles the figure, for what it keeps books with.
_UNREAD: Final = 128 * 1024


class Listeners(asyncio.AbstractServer):
    """Servers that share one queue of connections; they close together."""

    def __init__(self, servers: Sequence[Any]) -> None:
        self._servers = servers

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The sockets of the first; the others' are the same ones."""
        return tuple(self._servers[0].sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that they serve in."""
        return cast(asyncio.AbstractEventLoop, self._servers[0].get_loop())

    def is_serving(self) -> bool:
        """Say whether connections are accepted."""
        return bool(self._servers[0].is_serving())

    async def start_serving(self) -> None:
        """Do nothing: they have begun."""

    async def serve_forever(self) -> None:
        """Accept until they are closed."""
        await self._servers[0].serve_forever()

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        """Wait until all are closed."""
        for server in self._servers:
            await server.wait_closed()


class Loop(uvloop.Loop):
    """uvloop's loop; each of its TCP servers listens as often as it may accept a turn."""

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *args: Any,
        **kw: Any,
    ) -> Listeners:
        """Listen as uvloop's own create_server does."""
        first: Any = await super().create_server(protocol_factory, *args, **kw)
        servers = [first]
        again = {name: kw[name] for name in ("backlog", "ssl") if name in kw}
        for listening in first.sockets:
            for _ in range(_A_TURN - 1):
                same = socket.socket(fileno=socket.dup(listening.fileno()))
                # Who is accepted inherits it.
                same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
                servers.append(
                    await super().create_server(protocol_factory, sock=same, **again)
                )
        return Listeners(servers)
