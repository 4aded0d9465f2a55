"""What an agent's calls came to, counted while they happen."""

import threading
from dataclasses import dataclass, replace
from decimal import Decimal

from devora_ops.client._values import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStats:
    """What an agent has spent and waited for, as of one moment.

    calls: every call made, answered or not; errors: those that raised.
    cost_usd: exact; it holds the calls whose cost the gateway told.
    unpriced: answers without a cost. latency_ms_total: over the answered calls.
    """

    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    cache_hits: int = 0
    latency_ms_total: float = 0.0

    @property
    def answers(self) -> int:
        """The calls that got an answer."""
        return self.calls - self.errors

    @property
    def latency_ms_mean(self) -> float:
        """The mean over the answered calls; 0 before the first."""
        return self.latency_ms_total / self.answers if self.answers else 0.0

    @property
    def cache_hit_rate(self) -> float:
        """The share of the answers that came from the gateway's cache, 0 to 1."""
        return self.cache_hits / self.answers if self.answers else 0.0


class StatsRecorder:
    """Counts; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stats = AgentStats()

    @property
    def stats(self) -> AgentStats:
        """A snapshot: it does not change any more."""
        return self._stats

    def record_answer(self, answer: Answer) -> AgentStats:
        """Add an answered call and give the new totals."""
        # Read, add and replace is no single step without the lock.
        with self._lock:
            self._stats = _with_answer(self._stats, answer)
            return self._stats

    def record_error(self) -> None:
        """Add a call that raised."""
        with self._lock:
            old = self._stats
            self._stats = replace(old, calls=old.calls + 1, errors=old.errors + 1)


def _with_answer(old: AgentStats, answer: Answer) -> AgentStats:
    return replace(
        old,
        calls=old.calls + 1,
        input_tokens=old.input_tokens + answer.usage.input_tokens,
        output_tokens=old.output_tokens + answer.usage.output_tokens,
        cost_usd=old.cost_usd + (answer.cost_usd or 0),
        unpriced=old.unpriced + (answer.cost_usd is None),
        cache_hits=old.cache_hits + answer.cached,
        latency_ms_total=old.latency_ms_total + answer.latency_ms,
    )
