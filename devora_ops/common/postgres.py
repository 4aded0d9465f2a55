"""Postgres without Django: what the data plane connects with."""

from collections.abc import Iterable

import psycopg
from psycopg_pool import AsyncConnectionPool

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]


async def connect(url: str, *, application: str) -> Connection:
    """Open one connection that stays with its owner (a flusher, a listener)."""
    return await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name=application, connect_timeout=5
    )


def make_pool(url: str, *, size: int = 8) -> Pool:
    """Return a closed pool for occasional reads; the owner opens and closes it."""
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=5,
        kwargs={"autocommit": True, "application_name": "devora-gateway"},
        open=False,
    )


def array_literal(values: Iterable[object]) -> str:
    """Write plain values (ids, numbers) as a Postgres array.

    psycopg's own dumper takes ten times as long, which counts on the gateway's path.
    """
    return "{" + ",".join(map(str, values)) + "}"


def text_array_literal(values: Iterable[str]) -> str:
    """Write texts as a Postgres array, each quoted."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in values)
    return '{"' + '","'.join(quoted) + '"}'
