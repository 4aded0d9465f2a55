"""Runs the simulator under uvicorn, with the one thing that ASGI does not offer.

Dropping a connection without a reply needs the transport, so the protocol class puts it
into the scope's extensions. Everything else works under any ASGI server.
"""

import asyncio
import logging
import socket
import sys

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from devora_ops.simulator.app import create_app
from devora_ops.simulator.config import Config
from devora_ops.simulator.connection import TRANSPORT

# Clients keep idle connections for about a minute; a server that closes them earlier
# makes their next request fail by a race that has nothing to do with the test.
_KEEP_ALIVE_S = 120
_GRACE_S = 1
_BACKLOG = 4096


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's protocol that also shows the application its transport."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class QuietlyStoppingServer(uvicorn.Server):
    """uvicorn's server that lets cancelled calls write their bill before it ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # What is cut off now stands in the journal; the terminal need not hear of it.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, so that whoever reads the address can connect. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def run(config: Config, *, listener: socket.socket) -> None:
    """Print the address, serve until SIGINT or SIGTERM. Raises OSError."""
    server = QuietlyStoppingServer(_uvicorn_config(config))
    host, port = listener.getsockname()
    sys.stdout.write(f"provider simulator on http://{host}:{port}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


def _uvicorn_config(config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(config),
        http=TransportProtocol,
        loop="devora_ops.listening:Loop",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
