"""The one HTTP client that calls providers, behind the address check."""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from devora_ops.common.addresses import is_public
from llm.snapshot import Upstream

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 600.0
BETWEEN_CHUNKS_S = 120.0
MOST_ANSWER_BYTES = 32 * 2**20
MOST_LINE_BYTES = 2**20
_MOST_CONNECTIONS = 1000
_TIMEOUT = aiohttp.ClientTimeout(total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
_STREAM_TIMEOUT = aiohttp.ClientTimeout(
    total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=BETWEEN_CHUNKS_S
)


# Who wants to know that the request of this task leaves.
_SENDING: ContextVar[Callable[[], None] | None] = ContextVar("sending", default=None)


class _Request(aiohttp.ClientRequest):
    """Tells when it leaves: before that, no provider can bill anything."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        if tell := _SENDING.get():
            tell()
        return await super().send(conn)


class AddressForbiddenError(OSError):
    """A provider's host leads inside the network."""


class _GuardedResolver(AbstractResolver):
    """Resolves once and lets no address pass that is not on the public internet."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._resolver.resolve(host, port, family)
        for answer in answers:
            if not is_public(ipaddress.ip_address(answer["host"].partition("%")[0])):
                raise AddressForbiddenError(f"{host} is not on the public internet")
        return answers

    async def close(self) -> None:
        await self._resolver.close()


class UpstreamClient:
    """Posts to providers: one session for the internet, one for allowed inner hosts."""

    def __init__(self) -> None:
        self._guarded: aiohttp.ClientSession
        self._inner: aiohttp.ClientSession

    async def start(self) -> None:
        """Open the sessions, in the loop that uses them."""
        self._guarded = _session(_GuardedResolver())
        self._inner = _session(None)

    async def stop(self) -> None:
        """Close all connections."""
        await self._guarded.close()
        await self._inner.close()

    async def post(
        self,
        upstream: Upstream,
        url: str,
        *,
        data: bytes,
        headers: Mapping[str, str],
        stream: bool,
        sending: Callable[[], None],
    ) -> aiohttp.ClientResponse:
        """Send one request and return its answer's head; redirects are not followed.

        sending: told just before the first byte leaves, on a connection that stands.
        """
        _SENDING.set(sending)
        session = self._inner if upstream.internal_allowed else self._guarded
        if not upstream.internal_allowed:
            _check_literal(url)
        return await session.post(
            url,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=_STREAM_TIMEOUT if stream else _TIMEOUT,
        )


def _session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=_MOST_CONNECTIONS, resolver=resolver, keepalive_timeout=30
        ),
        request_class=_Request,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


@lru_cache(maxsize=1024)
def _check_literal(url: str) -> None:
    """Check a host written as an address: resolvers are not asked for those."""
    host = URL(url).host or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(address):
        raise AddressForbiddenError(f"{host} is not on the public internet")
