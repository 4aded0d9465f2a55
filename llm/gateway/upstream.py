"""The one HTTP client that calls providers, behind the address check.

OSError
├── NotReached             nothing of the request left
│   └── CertificateInvalid
├── AddressForbidden       nor did it: the host leads inside the network
├── ConnectionBroken       see llm.gateway.connection
├── AnswerTooLarge
└── TimeoutError           something was late, after the request had left
"""

import asyncio
import contextlib
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from pathlib import Path

from llm.gateway.connection import Answer, Connection
from llm.gateway.places import AddressForbidden, Place, Resolver, place_of
from llm.policy import RoutePolicy
from llm.snapshot import Upstream

__all__ = ["AddressForbidden", "Answer", "UpstreamClient"]

MOST_ANSWER_BYTES = 32 * 2**20
MOST_LINE_BYTES = 2**20
_IDLE_S = 30.0
_LOOK_EVERY_S = 0.1


class NotReached(OSError):
    """Nothing of the request left: no provider can bill anything."""


class CertificateInvalid(NotReached):
    """The provider is not who its address says."""


_Key = tuple[bool, str, int, bool]  # a place, and whether it may be an inner one


class UpstreamClient:
    """Posts to providers over connections that are kept.

    One look at all that is under way replaces a timer for each of them, and for each of
    their deadlines.
    """

    def __init__(self) -> None:
        self._resolver = Resolver()
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._idle: defaultdict[_Key, deque[Connection]] = defaultdict(deque)
        self._connections: set[Connection] = set()
        self._watch: asyncio.Task[None] | None = None

    def trust(self, authorities: Path) -> None:
        """Take certificates that a file of authorities vouches for, besides the usual."""
        self._tls.load_verify_locations(authorities)

    async def start(self) -> None:
        """Begin to watch deadlines."""
        self._watch = asyncio.create_task(self._end_what_is_late())

    async def stop(self) -> None:
        """Close all connections."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        for connection in list(self._connections):
            connection.close()

    async def post(
        self,
        upstream: Upstream,
        url: str,
        *,
        data: bytes,
        headers: Mapping[str, str],
        policy: RoutePolicy,
        stream: bool,
        sending: Callable[[], None],
    ) -> Answer:
        """Send one request and return its answer; redirects are not followed.

        A stream's head has come, another answer has come whole. Leave the answer as a
        context manager. sending: told just before the first byte leaves, on a connection
        that stands. Raises OSError.
        """
        place = place_of(url)
        guarded = not upstream.internal_allowed
        connection = self._free(place, guarded)
        if connection is None:
            connection = await self._connect(place, guarded, policy.connect_s)
        sending()
        answer = connection.send(
            _head(place, headers, len(data)) + data, most_bytes=MOST_ANSWER_BYTES
        )
        now = connection.loop.time()
        answer.latest = now + policy.total_s
        try:
            if stream:
                answer.deadline = min(answer.latest, now + policy.first_byte_s)
                answer.patience_s = policy.between_chunks_s
                await answer.begun()
                answer.be_patient()
            else:
                answer.deadline = answer.latest
                await answer.ended()
        except BaseException:
            connection.end()
            raise
        return answer

    def _free(self, place: Place, guarded: bool) -> Connection | None:
        """Return a kept connection: the last one used, which is the likeliest to live."""
        idle = self._idle.get((place.tls, place.host, place.port, guarded))
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(
        self, place: Place, guarded: bool, timeout_s: float
    ) -> Connection:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._open(place, guarded)
        except AddressForbidden:
            raise
        except ssl.SSLCertVerificationError as error:
            raise CertificateInvalid(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise NotReached(str(error) or "no connection in time") from error

    async def _open(self, place: Place, guarded: bool) -> Connection:
        loop = asyncio.get_running_loop()
        key = (place.tls, place.host, place.port, guarded)

        def keep(connection: Connection) -> None:
            connection.idle_since = loop.time()
            self._idle[key].append(connection)

        def make() -> Connection:
            return Connection(loop, free=keep, lost=self._connections.discard)

        connected = await self._resolver.connect(place, guarded=guarded)
        try:
            _, connection = await loop.create_connection(
                make,
                sock=connected,
                ssl=self._tls if place.tls else None,
                server_hostname=place.host if place.tls else None,
            )
        except BaseException:
            connected.close()
            raise
        self._connections.add(connection)
        return connection

    async def _end_what_is_late(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for connection in list(self._connections):
                connection.end_if_late()
            since = loop.time() - _IDLE_S
            for key, idle in list(self._idle.items()):
                while idle and (idle[0].idle_since < since or not idle[0].is_open):
                    idle.popleft().close()
                if not idle:
                    del self._idle[key]


def _head(place: Place, headers: Mapping[str, str], length: int) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.authority}\r\nAccept: */*\r\n"
        f"Content-Length: {length}\r\n{''.join(lines)}"
    )
    # A line break in a credential would begin a header, or a request, of its own.
    if head.count("\n") != len(lines) + 4 or head.count("\r") != len(lines) + 4:
        raise NotReached("a header has a line break in it")
    return f"{head}\r\n".encode("latin-1", "replace")
