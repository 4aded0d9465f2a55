"""What targets cost and how fast they have been: what a route's strategy goes by."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import psycopg

from costs.pricing import Usage
from costs.rollups import merge, quantile
from costs.snapshot import PriceBook
from devora_ops.common.postgres import Connection, Pool
from devora_ops.common.snapshots import Snapshot
from llm.snapshot import Catalogue, Target

log = logging.getLogger("[MLMonitor]")

EVERY_S = 5.0
# The minutes of the last quarter of an hour: long enough to hold calls, short enough to
# hold no other weather.
_LATENCIES = """
SELECT model, latency FROM costs_rollup_minute
WHERE bucket > now() - interval '15 minutes' AND status = 'ok' AND model <> ''
"""


async def load_latencies(connection: Connection) -> Mapping[str, float]:
    """Return each model's median latency of late, in milliseconds."""
    cursor = await connection.execute(_LATENCIES)
    histograms: defaultdict[str, list[list[int]]] = defaultdict(list)
    rows: list[Any] = await cursor.fetchall()
    for model, histogram in rows:
        histograms[model].append(histogram)
    medians = {model: quantile(merge(each), 0.5) for model, each in histograms.items()}
    return {model: median for model, median in medians.items() if median is not None}


class LiveMarket:
    """Prices from their snapshot, latencies from the live rollups."""

    def __init__(
        self, pool: Pool, prices: Snapshot[PriceBook], catalogue: Snapshot[Catalogue]
    ) -> None:
        self._pool = pool
        self._prices = prices
        self._catalogue = catalogue
        self._latencies: Mapping[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow latencies, while a route goes by them."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def usd(
        self, target: Target, input_tokens: int, output_tokens: int
    ) -> Decimal | None:
        """Return what so many tokens cost at the price in force."""
        price = self._prices.current.price(target.model, dt.datetime.now(dt.UTC))
        usage = Usage(input=input_tokens, output=output_tokens)
        return None if price is None else price.cost(usage)

    def latency_ms(self, target: Target) -> float | None:
        """Return a model's median latency of the last quarter of an hour."""
        return self._latencies.get(target.model)

    async def _follow(self) -> None:
        while True:
            if any(
                route.strategy == "fastest"
                for route in self._catalogue.current.routes.values()
            ):
                await self._load()
            await asyncio.sleep(EVERY_S)

    async def _load(self) -> None:
        try:
            async with self._pool.connection(timeout=2) as connection:
                self._latencies = await load_latencies(connection)
        except (psycopg.Error, OSError) as error:
            log.warning("going by older latencies: %s", error)
