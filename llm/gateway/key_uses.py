"""When keys were used last, written a few times a minute and not once a call."""

import asyncio
import contextlib
import logging

import psycopg

from devora_ops.common.postgres import Pool

log = logging.getLogger("[LLM]")

EVERY_S = 20.0
_WRITE = """
INSERT INTO llm_keyuse (public_id, used_at)
SELECT public_id, date_trunc('minute', now()) FROM unnest(%s::text[]) AS public_id
ON CONFLICT (public_id) DO UPDATE SET used_at = excluded.used_at
    WHERE llm_keyuse.used_at < excluded.used_at
"""


class KeyUses:
    """The keys that have called since the last write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._used: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, public_id: str) -> None:
        """Take note that a key calls."""
        self._used.add(public_id)

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_often())

    async def stop(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._write()

    async def _write_often(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._write()

    async def _write(self) -> None:
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._pool.connection(timeout=2) as connection:
                # In order, so that two processes do not wait for each other in a ring.
                await connection.execute(_WRITE, [sorted(used)])
        except (psycopg.Error, OSError) as error:
            self._used |= used
            log.warning("cannot write which keys were used: %s", error)
