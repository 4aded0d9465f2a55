"""News of settled calls: from Postgres to the sockets of this web process.

The ledger's settle transaction sends NOTIFY; every web process listens for itself, so
nothing travels between processes. A socket is only a hint: rows and sums are in the
database, and whoever may have missed news is told to read them again.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final

import orjson
import psycopg
from channels.layers import get_channel_layer

from devora_ops.common.logs import one_line
from devora_ops.common.postgres import Connection, connect

LAYER: Final = "local"
GROUP: Final = "live-calls"
MESSAGE: Final = "live.news"  # the consumer's method live_news takes it
_CHANNEL: Final = "devora_calls"
_MORE: Final = "more"
_RECONNECT_S = 1.0

log = logging.getLogger("[Live]")


class LiveListener:
    """Follows the ledger's news and forwards them to the local group.

    Messages are numbered without gaps: the layer drops what a slow socket has no room
    for, silently, and a missing number is how that socket finds out.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._task: asyncio.Task[None] | None = None
        self._number = 0

    async def start(self) -> None:
        """Listen until `stop`; a database that is away is tried again each second."""
        connection: Connection | None = None
        with contextlib.suppress(psycopg.Error, OSError):
            connection = await self._listen()
        self._task = asyncio.create_task(self._follow(connection))

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _listen(self) -> Connection:
        connection = await connect(self._url, application="devora-live")
        await connection.execute(f"LISTEN {_CHANNEL}")
        return connection

    async def _follow(self, connection: Connection | None) -> None:
        while True:
            if connection is None:
                connection = await self._reconnect()
                # What was settled meanwhile was told to nobody.
                await self._forward([], complete=False)
            try:
                async for notify in connection.notifies():
                    await self._take(notify.payload)
            except (psycopg.Error, OSError) as error:
                log.warning("lost the connection for live news: %s", one_line(error))
            finally:
                await connection.close()
            connection = None

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(_RECONNECT_S)
            with contextlib.suppress(psycopg.Error, OSError):
                return await self._listen()

    async def _take(self, payload: str) -> None:
        try:
            news = orjson.loads(payload)
        except orjson.JSONDecodeError:
            log.warning("news that are not JSON: %.100r", payload)
            return
        items = news if isinstance(news, list) else [news]
        calls = [item for item in items if isinstance(item, dict)]
        await self._forward(calls, complete=_MORE not in items)

    async def _forward(self, calls: list[dict[str, Any]], *, complete: bool) -> None:
        self._number += 1
        layer = get_channel_layer(LAYER)
        await layer.group_send(
            GROUP,
            {
                "type": MESSAGE,
                "number": self._number,
                "calls": calls,
                "complete": complete,
            },
        )
