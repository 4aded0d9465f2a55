"""Postgres without Django: what the data plane connects with."""

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
