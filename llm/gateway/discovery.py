"""Models that a provider has served although nobody had entered them."""

import asyncio
import logging

import psycopg

from devora_ops.common.postgres import Pool
from devora_ops.common.snapshots import Snapshot
from llm.snapshot import Catalogue, Target

log = logging.getLogger("[LLM]")

# The colour that fewest models have, as for models that people enter.
_INSERT = """
INSERT INTO llm_model (provider_id, name, abilities, is_active, created_at, color_slot)
SELECT p.id, %s, '{}', true, now(),
       (SELECT slot FROM generate_series(1, 12) AS slot
        LEFT JOIN llm_model AS m ON m.color_slot = slot
        GROUP BY slot ORDER BY count(m.id), slot LIMIT 1)
FROM llm_provider AS p WHERE p.slug = %s
ON CONFLICT DO NOTHING
"""
_LONGEST_NAME = 200
_MOST_A_PROCESS = 1000  # a server that answers to any name must not fill the table


class Discovery:
    """Makes the missing row of a model once it has answered; it has no price."""

    def __init__(self, pool: Pool, catalogue: Snapshot[Catalogue]) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._seen: set[str] = set()
        self._writing: set[asyncio.Task[None]] = set()

    def served(self, target: Target) -> None:
        """Take note that a target has answered."""
        name = target.model
        if name in self._catalogue.current.models or name in self._seen:
            return
        if len(self._seen) < _MOST_A_PROCESS and len(target.name) <= _LONGEST_NAME:
            self._seen.add(name)
            task = asyncio.create_task(self._write(target))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def written(self) -> None:
        """Wait until everything noted so far is written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, target: Target) -> None:
        try:
            async with self._pool.connection(timeout=2) as connection:
                await connection.execute(_INSERT, [target.name, target.upstream.slug])
        except (psycopg.Error, OSError) as error:
            self._seen.discard(target.model)
            log.warning("could not enter the model %s: %s", target.model, error)
