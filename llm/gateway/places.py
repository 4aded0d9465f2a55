"""Where a provider's URL leads, and whether a connection may be opened to it."""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiohappyeyeballs
from yarl import URL

from devora_ops.common.addresses import is_public

_KNOWN_FOR_S = 10.0
_NEXT_ADDRESS_S = 0.25  # how long one address may take before the next is tried too


class AddressForbidden(OSError):
    """A provider's host leads inside the network."""


@dataclass(frozen=True, slots=True)
class Place:
    """A URL taken apart. path: with its query. authority: as the Host header says it."""

    tls: bool
    host: str
    port: int
    path: str
    authority: str


@lru_cache(maxsize=1024)
def place_of(url: str) -> Place:
    """Take a provider's URL apart; raises ValueError for one that leads nowhere."""
    parsed = URL(url)
    host, port = parsed.raw_host, parsed.port
    if parsed.scheme not in ("http", "https") or not host or port is None:
        raise ValueError(f"{url} is no address of a server")
    named = f"[{host}]" if ":" in host else host
    authority = named if parsed.is_default_port() else f"{named}:{port}"
    return Place(parsed.scheme == "https", host, port, parsed.raw_path_qs, authority)


_AddressInfo = tuple[Any, Any, int, str, Any]


class Resolver:
    """Finds the addresses of hosts; what it found is known for a moment."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[float, list[_AddressInfo]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[_AddressInfo]]] = {}

    async def connect(self, place: Place, *, guarded: bool) -> socket.socket:
        """Return a socket that is connected to a place; raises OSError.

        guarded: to public addresses only. What is checked is what is connected to, so
        that no second answer of a name server gets past the check.
        """
        addresses = await self._addresses(place.host, place.port)
        if guarded:
            for address in addresses:
                ip = str(address[4][0]).partition("%")[0]
                if not is_public(ipaddress.ip_address(ip)):
                    raise AddressForbidden(
                        f"{place.host} is not on the public internet"
                    )
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S
        )

    async def _addresses(self, host: str, port: int) -> list[_AddressInfo]:
        until, found = self._found.get((host, port), (0.0, []))
        if until >= asyncio.get_running_loop().time():
            return found
        asking = self._asking.get((host, port))
        if asking is None:  # those who come meanwhile wait for the same answer
            asking = asyncio.create_task(self._ask(host, port))
            self._asking[host, port] = asking
            asking.add_done_callback(_seen)
        return await asyncio.shield(asking)

    async def _ask(self, host: str, port: int) -> list[_AddressInfo]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            del self._asking[host, port]
        self._found[host, port] = (loop.time() + _KNOWN_FOR_S, list(found))
        return list(found)


def _seen(asking: "asyncio.Task[list[_AddressInfo]]") -> None:
    """Look at an error that nobody may be left to hear of."""
    if not asking.cancelled():
        asking.exception()
