"""Prometheus metrics of the data plane, counted from what has been settled.

Counting a batch of settlements costs the calls nothing, and what is counted is what is
in the ledger. Label sets are bounded: providers are rows that an Owner makes, models
beyond a hundred are one, and nothing that a caller types becomes a label.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from costs.facts import AttemptFact, CallFact, Settlement
from devora_ops.common.snapshots import Snapshot
from llm.gateway.health import SharedState

_MOST_MODELS = 100
_OTHER = "other"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_KINDS = {
    "input": "input",
    "cached_input": "cache_read",
    "output": "whole_output",
    "reasoning": "reasoning",
}
# Several processes write files into this folder, and each of them can answer for all.
_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

Sums = defaultdict[tuple[Any, ...], float]  # by counter and its labels


class Metrics:
    """What one process counts, and how it is told."""

    def __init__(self, breakers: Snapshot[Mapping[str, SharedState]]) -> None:
        self._registry = registry = CollectorRegistry()
        self._models: set[str] = set()
        self._breakers = _Breakers(breakers)
        registry.register(self._breakers)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=registry)

        def histogram(name: str, what: str) -> Histogram:
            return Histogram(name, what, buckets=_SECONDS, registry=registry)

        self._calls = counter(
            "devora_calls",
            "Calls by how they ended: ok, cached, error, timeout, rate_limited, blocked.",
            "status",
        )
        self._shed = counter(
            "devora_shed",
            "Requests refused at once, before their keys were read: overload.",
        )
        self._latency = histogram(
            "devora_call_seconds",
            "From a request to the end of its answer; answered calls only.",
        )
        self._first_byte = histogram(
            "devora_first_byte_seconds",
            "From a request to the first byte of its stream.",
        )
        self._attempts = counter(
            "devora_attempts",
            "Upstream tries by provider and by what became of their hold.",
            *("provider", "state"),
        )
        self._anomalies = counter(
            "devora_anomalies",
            "Answers whose usage does not add up, by provider and by what is odd.",
            *("provider", "anomaly"),
        )
        self._tokens = counter(
            "devora_tokens",
            "Tokens by model and kind, as providers bill them.",
            *("model", "kind"),
        )
        self._cost = counter(
            "devora_cost_usd", "Dollars by model; the ledger has them exactly.", "model"
        )
        self._saved = counter("devora_saved_usd", "Dollars that the cache saved.")
        self._cache = counter(
            "devora_cache",
            "Calls that the cache had a part in: hit or miss.",
            "result",
        )

    def count(self, settlements: Sequence[Settlement]) -> None:
        """Count what has been settled: sums first, for each increment takes a lock."""
        sums: Sums = defaultdict(float)
        for settlement in settlements:
            if settlement.call is not None:
                self._add_call(settlement.call, sums)
            for attempt in settlement.attempts:
                self._add_attempt(attempt, sums)
        for (counter, *labels), amount in sums.items():
            (counter.labels(*labels) if labels else counter).inc(amount)

    def shed(self) -> None:
        """Count a request that was refused for want of room."""
        self._shed.inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, of all processes."""
        if _MULTIPROCESS not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(self._breakers)
        return generate_latest(registry)

    def _add_call(self, call: CallFact, sums: Sums) -> None:
        sums[self._calls, call.status] += 1
        if call.status == "ok":
            self._latency.observe(call.latency_ms / 1000)
        if call.ttft_ms is not None:
            self._first_byte.observe(call.ttft_ms / 1000)
        if call.cache != "off":
            sums[self._cache, call.cache] += 1
        if call.saved_usd:
            sums[(self._saved,)] += float(call.saved_usd)

    def _add_attempt(self, attempt: AttemptFact, sums: Sums) -> None:
        sums[self._attempts, attempt.provider, attempt.state] += 1
        if attempt.anomaly:
            sums[self._anomalies, attempt.provider, attempt.anomaly] += 1
        used = {
            kind: tokens
            for kind, name in _KINDS.items()
            if (tokens := getattr(attempt.usage, name))
        }
        if not used and not attempt.cost_usd:
            return  # a model that there is not must not take a label from one there is
        model = self._label(attempt.model)
        for kind, tokens in used.items():
            sums[self._tokens, model, kind] += tokens
        if attempt.cost_usd:
            sums[self._cost, model] += float(attempt.cost_usd)

    def _label(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= _MOST_MODELS:
                return _OTHER
            self._models.add(model)
        return model


class _Breakers(Collector):
    """Which targets are left alone, read from the snapshot when somebody asks."""

    def __init__(self, shared: Snapshot[Mapping[str, SharedState]]) -> None:
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge: 1 for a target that is left alone."""
        gauge = GaugeMetricFamily(
            "devora_breaker_open",
            "1 while a target, or a provider's credential, is left alone.",
            labels=["target"],
        )
        left_alone = {
            target: (state.forced or state.state) == "open"
            for target, state in self._shared.current.items()
        }
        # Those that are open first: they must not be the ones that are cut off.
        ranked = sorted(left_alone, key=lambda target: not left_alone[target])
        for target in ranked[:_MOST_MODELS]:
            gauge.add_metric([target], float(left_alone[target]))
        yield gauge
