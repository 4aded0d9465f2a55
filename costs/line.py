"""One connection that stays with its user."""

import asyncio
from collections.abc import Awaitable, Callable

from devora_ops.common.postgres import Connection, connect


class Line:
    """One connection that its user keeps, made anew after it broke.

    A pool's check-out would add 0.15 ms to every flush.
    """

    def __init__(
        self,
        url: str,
        application: str,
        *,
        durable: bool,
        again: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        """again: told of each connection but the first, before anybody uses it."""
        self._again = again
        self._begun = False
        self._url = url
        self._application = application
        self._durable = durable
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        await self._lock.acquire()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await self._connect()
            return self._connection
        except BaseException:
            self._lock.release()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and self._connection is not None:
                # It may be in the middle of anything; what was not committed is undone.
                broken, self._connection = self._connection, None
                await broken.close()
        finally:
            self._lock.release()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> Connection:
        connection = await connect(self._url, application=self._application)
        if not self._durable:
            # What a crash of Postgres loses of it, its owner makes again.
            await connection.execute("SET synchronous_commit = off")
        if self._begun and self._again is not None:
            await self._again(connection)
        self._begun = True
        return connection
