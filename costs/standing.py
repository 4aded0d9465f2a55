"""Where budgets with steps stand, followed by one query a second for a whole process."""

import asyncio
import contextlib
import logging
from decimal import Decimal
from typing import Any, Final

import psycopg

from costs.snapshot import Budgets
from costs.steps import Standings, reached_steps
from devora_ops.common.logs import Outage
from devora_ops.common.postgres import Connection, Pool
from devora_ops.common.snapshots import Snapshot

log = logging.getLogger("[CostTracker]")

EVERY_S: Final = 1.0
_PATIENCE_S: Final = 2.0

# A period that nothing was spent in has no counter yet: its budget stands at nothing.
_USED = """
SELECT c.budget_id, c.spent + c.held
FROM costs_budget AS b JOIN costs_counter AS c ON c.budget_id = b.id
    AND c.period_start = costs_period_start(b.period, b.time_zone, now())
WHERE b.id = ANY (%s)
"""


async def load_used(
    connection: Connection, budget_ids: list[int]
) -> dict[int, Decimal]:
    """Return what the running period of each budget has spent and set aside."""
    cursor = await connection.execute(_USED, [budget_ids])
    rows: list[Any] = await cursor.fetchall()
    return dict(rows)


class StandingWatch:
    """Knows which budgets stand at a step; asks nothing while no budget has steps.

    Without Postgres the last picture stays: no hold is made then either.
    """

    def __init__(self, pool: Pool, budgets: Snapshot[Budgets]) -> None:
        self._pool = pool
        self._budgets = budgets
        self._outage = Outage(log, "Postgres, which tells how far budgets are used,")
        self._task: asyncio.Task[None] | None = None
        self.current = Standings()

    async def start(self) -> None:
        """Look once, then follow until `stop`."""
        await self._look()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._look()
            except Exception:  # a row that nobody foresaw must not end the rounds
                log.exception("keeping the old picture of where budgets stand")

    async def _look(self) -> None:
        budgets = self._budgets.current
        if not budgets.stepped:
            if self.current.reached:
                self.current = Standings()
            return
        try:
            async with self._pool.connection(timeout=_PATIENCE_S) as connection:
                used = await load_used(
                    connection, [each.id for each in budgets.stepped]
                )
        except (psycopg.Error, OSError) as error:
            self._outage.noticed(error)
            return
        self._outage.over()
        self.current = Standings(budgets, reached_steps(budgets.stepped, used))
