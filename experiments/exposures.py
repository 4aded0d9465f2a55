"""First exposures of the units that calls name: written before they are served.

Outcomes are taken of units that saw a variant, so the rows must be there by then.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from devora_ops.common.batching import Batcher
from devora_ops.common.logs import Outage
from devora_ops.common.postgres import Pool
from experiments.runtime import Choice

log = logging.getLogger("[ABTester]")

_MOST_REMEMBERED = 100_000
_PATIENCE_S = 1.0
_INSERT = """
INSERT INTO experiments_exposure (experiment_id, unit_hash, variant_id, at)
SELECT DISTINCT e.id, new.unit_hash, v.id, now()
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS new (experiment, variant, unit_hash)
JOIN experiments_experiment AS e ON e.slug = new.experiment
JOIN experiments_variant AS v ON v.experiment_id = e.id AND v.name = new.variant
ON CONFLICT DO NOTHING
"""


class _Exposure(NamedTuple):
    experiment: str
    variant: str
    unit_hash: int


class Exposures:
    """Writes each exposure once a process; the table keeps it once for all."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._written: set[_Exposure] = set()
        self._batches = Batcher[_Exposure, None](self._write)
        self._outage = Outage(log, "Postgres, which keeps exposures,")

    async def __call__(self, choice: Choice) -> None:
        """Return once it is written; a call neither fails nor hangs when it cannot be."""
        exposure = _Exposure(choice.experiment, choice.variant, choice.unit_hash)
        if exposure in self._written:
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._batches.put(exposure)
        except (psycopg.Error, OSError) as error:
            self._outage.noticed(error)

    async def _write(self, batch: Sequence[_Exposure]) -> Sequence[None]:
        columns = [list(column) for column in zip(*batch, strict=True)]
        async with self._pool.connection() as connection:
            await connection.execute(_INSERT, columns)
        if len(self._written) > _MOST_REMEMBERED:
            self._written.clear()
        self._written.update(batch)
        self._outage.over()
        return [None] * len(batch)
