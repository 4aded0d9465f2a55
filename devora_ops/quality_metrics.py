"""How good answers have been of late, and how old prices are, for Prometheus.

Read from the tables when somebody asks: a score may be corrected and a price imported
elsewhere, which a counter of this process could not follow.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from costs.price_age import NEWEST, Age, ages, newest_values
from devora_ops.common.postgres import connect

_TIMEOUT_S = 2.0
# As many models as other metrics tell apart.
_LATELY = """
SELECT model, sum(scored)::bigint, sum(score_sum) FROM costs_rollup_work
WHERE bucket >= now() - interval '24 hours' AND scored > 0
GROUP BY model ORDER BY 2 DESC, 1 LIMIT 100
"""


class QualityMetrics:
    """Scores by model over the last 24 hours, and the age of prices by provider."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def text(self) -> bytes:
        """Return them in Prometheus' format; nothing while Postgres is away."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                rows, ages = await self._rows()
        except (psycopg.Error, OSError):
            return b""
        registry = CollectorRegistry()
        registry.register(_Scores(rows))
        registry.register(_PriceAges(ages))
        return generate_latest(registry)

    async def _rows(self) -> tuple[list[Any], list[Age]]:
        connection = await connect(self._database_url, application="devora-metrics")
        async with connection:
            cursor = await connection.execute(_LATELY)
            rows = await cursor.fetchall()
            cursor = await connection.execute(NEWEST, newest_values())
            return rows, ages(await cursor.fetchall())


class _Scores(Collector):
    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        """Yield both gauges."""
        mean = GaugeMetricFamily(
            "devora_quality_score",
            "Mean score, 0 to 10, of the scored calls of the last 24 hours.",
            labels=["model"],
        )
        scored = GaugeMetricFamily(
            "devora_scored_calls",
            "Calls of the last 24 hours that somebody scored.",
            labels=["model"],
        )
        for model, count, total in self._rows:
            mean.add_metric([model], float(total / count))
            scored.add_metric([model], count)
        yield mean
        yield scored


class _PriceAges(Collector):
    def __init__(self, found: list[Age]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        gauge = GaugeMetricFamily(
            "devora_price_age_days",
            "Days since the newest price of a provider was collected or entered.",
            labels=["provider"],
        )
        now = dt.datetime.now(dt.UTC)
        for age in self._found:
            gauge.add_metric([age.provider], age.days(now))
        yield gauge
