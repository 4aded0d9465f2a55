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
from llm.policy import USUAL, RoutePolicy
from llm.snapshot import Upstream

MOST_ANSWER_BYTES = 32 * 2**20
MOST_LINE_BYTES = 2**20


# Who wants to know that the request of this task leaves.
_SENDING: ContextVar[Callable[[], None] | None] = ContextVar("sending", default=None)


class _Request(aiohttp.ClientRequest):
    """Tells when it leaves: before that, no provider can bill anything."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        if tell := _SENDING.get():
            tell()
        return await super().send(conn)


def deadlines(policy: RoutePolicy, *, stream: bool) -> aiohttp.ClientTimeout:
    """Return how long the HTTP client waits for what.

    Until a stream's answer has begun, the first byte has its own deadline: the pause
    between chunks must not come before that.
    """
    if policy is USUAL:  # nearly always; a policy's hash costs more than all of this
        return _USUAL_OF_STREAMS if stream else _USUAL
    return _deadlines(policy, stream)


@lru_cache(maxsize=256)
def _deadlines(policy: RoutePolicy, stream: bool) -> aiohttp.ClientTimeout:
    between_s = max(policy.between_chunks_s, policy.first_byte_s) if stream else None
    return aiohttp.ClientTimeout(
        total=policy.total_s, sock_connect=policy.connect_s, sock_read=between_s
    )


_USUAL = _deadlines(USUAL, False)
_USUAL_OF_STREAMS = _deadlines(USUAL, True)


def expect_chunks(response: aiohttp.ClientResponse, policy: RoutePolicy) -> None:
    """Watch the pauses of a stream from now on, where they are shorter than its start."""
    connection = response.connection
    if policy.between_chunks_s >= policy.first_byte_s or connection is None:
        return
    assert connection.protocol is not None  # it stands
    connection.protocol.read_timeout = policy.between_chunks_s
    connection.protocol.start_timeout()


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
        waits: aiohttp.ClientTimeout,
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
            timeout=waits,
        )


def _session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            # Bulkheads bound them by provider; a bound of all would let one slow
            # provider keep the others waiting.
            limit=0,
            resolver=resolver,
            keepalive_timeout=30,
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
