"""Interleaved rounds over several servers, and what was measured in each of them.

A machine's speed changes by the minute: what two servers come to within a round says
more than any number of requests a second.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import load
from benchmarks.installation import INSTANT, STREAMED, Installation
from benchmarks.report import spread
from benchmarks.stage import Server

BUSY = 16
_BUSY_S, _IDLE_S, _STREAM_S = 3.0, 1.5, 1.5
_SETTLED_S = 0.4  # longer than the windows that settlements and content wait for

HEADS = (
    *("", f"requests/s c{BUSY}", "p95 ms", "p99 ms", "p50 ms c1", "stream TTFT ms"),
    *("CPU ms", "Postgres CPU ms"),
)

Pairwise = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a server, and the name its instant model has there."""

    name: str
    server: Server
    prefix: str = ""
    key: str = "sk-nobody"
    cache: bool = False

    def target(self, model: str, *, stream: bool = False) -> load.Target:
        """Return where to send requests for a model of the simulator."""
        return load.Target(
            self.server.port,
            self.prefix + model,
            key=self.key,
            stream=stream,
            cache=self.cache,
        )


@dataclass(slots=True)
class Series:
    """One subject's values, a round each; CPU in milliseconds a request at BUSY."""

    per_second: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    idle_p50_ms: list[float] = field(default_factory=list)
    first_byte_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    postgres_cpu_ms: list[float] = field(default_factory=list)
    answered: int = 0


class Comparison:
    """Interleaved rounds over several subjects."""

    def __init__(self, subjects: list[Subject], installation: Installation) -> None:
        self._subjects = subjects
        self._installation = installation
        self.series: Mapping[str, Series] = {each.name: Series() for each in subjects}
        self.errors: list[str] = []

    def run(self, rounds: int, *, warm_s: float = 1.0) -> None:
        """Warm every subject up, then measure one after the other, several times."""
        for subject in self._subjects:
            self._load(subject, concurrency=BUSY, seconds=warm_s)
            self._load(subject, stream=True, seconds=warm_s / 2)
        for _ in range(rounds):
            for subject in self._subjects:
                self._measure_busy(subject)
            for subject in self._subjects:
                self._measure_idle(subject)

    def _measure_busy(self, subject: Subject) -> None:
        series = self.series[subject.name]
        cpu, postgres = subject.server.cpu_s(), self._installation.postgres_cpu_s()
        result = self._load(subject, concurrency=BUSY, seconds=_BUSY_S)
        time.sleep(_SETTLED_S)
        cpu = subject.server.cpu_s() - cpu
        postgres = self._installation.postgres_cpu_s() - postgres
        series.per_second.append(result.per_second)
        series.p95_ms.append(result.latency_ms(0.95))
        series.p99_ms.append(result.latency_ms(0.99))
        series.cpu_ms.append(cpu * 1000 / result.requests)
        series.postgres_cpu_ms.append(postgres * 1000 / result.requests)

    def _measure_idle(self, subject: Subject) -> None:
        series = self.series[subject.name]
        whole = self._load(subject, seconds=_IDLE_S)
        series.idle_p50_ms.append(whole.latency_ms(0.5))
        stream = self._load(subject, stream=True, seconds=_STREAM_S)
        series.first_byte_ms.append(stream.first_byte_ms(0.5))

    def _load(
        self,
        subject: Subject,
        *,
        concurrency: int = 1,
        seconds: float,
        stream: bool = False,
    ) -> load.Result:
        model = STREAMED if stream else INSTANT
        target = subject.target(model, stream=stream)
        result = load.run(target, concurrency=concurrency, seconds=seconds)
        self.errors += [f"{subject.name}: {n} × {e}" for e, n in result.errors.items()]
        self.series[subject.name].answered += result.requests
        return result


def row(name: str, series: Series) -> list[str]:
    """Return a line of the table under HEADS."""
    return [
        name,
        spread(series.per_second, 0),
        spread(series.p95_ms, 1),
        spread(series.p99_ms, 1),
        spread(series.idle_p50_ms),
        spread(series.first_byte_ms),
        spread(series.cpu_ms, 3),
        spread(series.postgres_cpu_ms, 3),
    ]


def pairs(
    some: Sequence[float], others: Sequence[float], compare: Pairwise
) -> list[float]:
    """Compare what was measured in the same round."""
    return [compare(a, b) for a, b in zip(some, others, strict=True)]
