"""Where a Redis is and how one opens a connection to it, read from its URL."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """path: of a unix socket, else empty; tls: None for a plain connection."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    async def connect(self, make: Callable[[], ProtocolT]) -> ProtocolT:
        """Open a connection and return the protocol that `make` made for it."""
        loop = asyncio.get_running_loop()
        if self.path:
            _, protocol = await loop.create_unix_connection(make, self.path)
        else:
            _, protocol = await loop.create_connection(
                make, self.host, self.port, ssl=self.tls
            )
        return protocol


def parse_address(url: str) -> RedisAddress:
    """Read redis://, rediss:// and unix:// as redis-py spells them.

    The options db, ssl_cert_reqs, ssl_check_hostname, ssl_ca_certs, ssl_certfile and
    ssl_keyfile count, others are for other clients. Raises ValueError.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("A Redis URL begins with redis://, rediss:// or unix://.")
    options = dict(parse_qsl(parts.query))
    of_unix = parts.scheme == "unix"
    return RedisAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        path=unquote(parts.path) if of_unix else "",
        db=_database(options.get("db") or ("" if of_unix else parts.path.strip("/"))),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=_tls(options) if parts.scheme == "rediss" else None,
    )


def _database(text: str) -> int:
    if text and not text.isdecimal():
        raise ValueError(f"The database of a Redis URL is a number, not {text!r}.")
    return int(text or 0)


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    # Celery spells it CERT_NONE, redis-py none.
    if options.get("ssl_cert_reqs", "").lower().removeprefix("cert_") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_check_hostname", "").lower() in {"false", "0", "no"}:
        context.check_hostname = False
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
