"""Read-only pictures of slow-moving tables, in force within a second of a change.

Statement triggers send NOTIFY on `devora_changed` with the table's name, so an edit
in the admin, a service's write and a psql session's all count. Each floor loads its
own picture by SQL; the hot path reads `source.current`, a plain attribute.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import psycopg

from devora_ops.common.logs import Outage
from devora_ops.common.postgres import Connection, connect

T = TypeVar("T")

CHANNEL = "devora_changed"
_REFRESH_S = 60.0  # heals what a lost notification would leave stale

log = logging.getLogger("[Snapshots]")


class Snapshot(Generic[T]):
    """One picture, the tables it is drawn from and how to draw it again."""

    def __init__(
        self,
        *,
        tables: Sequence[str],
        load: Callable[[Connection], Awaitable[T]],
        empty: T,
    ) -> None:
        self.tables = frozenset(tables)
        self.current = empty
        self._load = load

    async def reload(self, connection: Connection) -> None:
        """Draw the picture again; the old one serves until the new one is whole."""
        self.current = await self._load(connection)


class SnapshotKeeper:
    """Keeps a process's snapshots fresh over one listening connection.

    The connection must reach Postgres itself: poolers in transaction mode drop LISTEN.
    """

    def __init__(self, url: str, snapshots: Sequence[Snapshot[Any]]) -> None:
        self._url = url
        self._snapshots = snapshots
        self._task: asyncio.Task[None] | None = None
        self._outage = Outage(log, "Postgres, which tells of changes,")

    async def start(self) -> None:
        """Load everything once, then follow changes until `stop`."""
        connection = await self._listen()
        self._task = asyncio.create_task(self._follow(connection))

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> Connection:
        connection = await connect(self._url, application="devora-snapshots")
        # LISTEN first, load second: a change in between is then seen twice, not never.
        await connection.execute(f"LISTEN {CHANNEL}")
        for snapshot in self._snapshots:
            await snapshot.reload(connection)
        return connection

    async def _follow(self, connection: Connection) -> None:
        while True:
            try:
                await self._apply_changes(connection)
            except (psycopg.Error, OSError) as error:
                self._outage.noticed(error)
            finally:
                await connection.close()
            connection = await self._reconnect()

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(1)
            try:
                connection = await self._listen()
            except Exception as error:  # whatever it is, it may be over in a second
                self._outage.noticed(error)
            else:
                self._outage.over()
                return connection

    async def _apply_changes(self, connection: Connection) -> None:
        while True:
            changed: set[str] = set()
            async for notify in connection.notifies(timeout=_REFRESH_S, stop_after=1):
                changed.add(notify.payload)
            # A burst of statements is one reload: take what else has arrived.
            async for notify in connection.notifies(timeout=0.01):
                changed.add(notify.payload)
            for snapshot in self._snapshots:
                if not changed or snapshot.tables & changed:
                    await _refresh(snapshot, connection)


async def _refresh(snapshot: Snapshot[Any], connection: Connection) -> None:
    """Draw a picture again; what cannot be drawn must not keep others from it."""
    try:
        await snapshot.reload(connection)
    except (psycopg.OperationalError, OSError):
        raise  # the connection: it is made anew
    except Exception:
        log.exception("keeping the old picture of %s", sorted(snapshot.tables))
