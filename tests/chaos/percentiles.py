"""How fast calls were."""

from collections.abc import Iterable

from tests.chaos.client import Outcome


def p99_ms(outcomes: Iterable[Outcome]) -> float:
    """Return the 99th percentile of latencies."""
    latencies = sorted(outcome.latency_ms for outcome in outcomes)
    return latencies[int(0.99 * len(latencies))]
