"""The gateway with everything on, beside a bare proxy and beside nothing.

One worker on one core: key, limits of key and agent, a cache look-up that misses and is
filled, two hard budgets, hold, settle, facts, content, rollups and news. Rounds are interleaved, because a machine's speed changes by the minute: the ratio
within a round says more than any number of requests a second.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import books, load
from benchmarks.installation import (
    PRODUCT,
    PROXY,
    Installation,
    install,
    simulate,
)
from benchmarks.report import spread, table, verdict
from benchmarks.stage import Server, Stage

ROUNDS = 4
BUSY = 16
_BUSY_S, _IDLE_S, _STREAM_S = 3.0, 1.5, 1.5
_WARM_S = 1.0
_SETTLED_S = 0.4  # longer than the windows that settlements and content wait for

LEAST_RATIO = 0.4
LEAST_PLAIN_RATIO = 0.25
MOST_OVERHEAD_MS = 1.5
MOST_FIRST_TOKEN_MS = 1.5
MOST_POSTGRES_MS = 0.1

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

    def run(self, rounds: int) -> None:
        """Warm every subject up, then measure one after the other, several times."""
        for subject in self._subjects:
            self._load(subject, concurrency=BUSY, seconds=_WARM_S)
            self._load(subject, stream=True, seconds=_WARM_S / 2)
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
        model = "sim-chunks-9" if stream else "sim-instant"
        target = subject.target(model, stream=stream)
        result = load.run(target, concurrency=concurrency, seconds=seconds)
        self.errors += [f"{subject.name}: {n} × {e}" for e, n in result.errors.items()]
        self.series[subject.name].answered += result.requests
        return result


def main() -> int:
    """Measure and print; 1 when a bar is missed or the books are wrong."""
    with Stage() as stage:
        simulator = simulate(stage)
        installation = install(stage, simulator)
        environ = installation.environ
        bare = stage.serve("bare", *PROXY, measured=True, environ=environ)
        product = stage.serve("gateway", *PRODUCT, measured=True, environ=environ)
        subjects = [
            Subject("direct", simulator),
            Subject("bare aiohttp proxy", bare),
            Subject("gateway", product, prefix="bench/", key=installation.key),
            Subject(
                "gateway, limits and cache",
                product,
                prefix="bench/",
                key=installation.limited_key,
                cache=True,
            ),
        ]
        comparison = Comparison(subjects, installation)
        comparison.run(ROUNDS)
        answered = sum(
            comparison.series[each.name].answered for each in subjects if each.prefix
        )
        wrong = books.check(stage, installation, answered)
        print(
            f"\nGateway hot path: {stage.describe()}; {ROUNDS} rounds, median (range)"
        )
        return _print(comparison, wrong)


def _print(comparison: Comparison, wrong: list[str]) -> int:
    direct, bare, plain, gateway = comparison.series.values()
    print(
        table(
            [
                "",
                f"requests/s c{BUSY}",
                "p95 ms",
                "p99 ms",
                "p50 ms c1",
                "stream TTFT ms",
            ]
            + ["CPU ms", "Postgres CPU ms"],
            [_row(name, series) for name, series in comparison.series.items()],
        )
    )
    ratios = _pairs(gateway.per_second, bare.per_second, lambda a, b: a / b)
    without = _pairs(plain.per_second, bare.per_second, lambda a, b: a / b)
    lean = _pairs(bare.cpu_ms, gateway.cpu_ms, lambda a, b: a / b)
    over = _pairs(gateway.idle_p50_ms, direct.idle_p50_ms, lambda a, b: a - b)
    ttft = _pairs(gateway.first_byte_ms, direct.first_byte_ms, lambda a, b: a - b)
    print(f"\nratio gateway/bare      {spread(ratios)}; by CPU time {spread(lean)}")
    print(f"without limits or cache {spread(without)}")
    print(f"p50 over direct, c1     {spread(over)} ms")
    print(f"stream TTFT over direct {spread(ttft)} ms\n")
    for problem in [*comparison.errors, *wrong]:
        print(f"MISS  {problem}")
    verdicts = [
        verdict("ratio to the bare proxy", median(ratios), least=LEAST_RATIO),
        verdict("without limits or cache", median(without), least=LEAST_PLAIN_RATIO),
        verdict("p50 over direct, ms", median(over), most=MOST_OVERHEAD_MS),
        verdict("first token over direct, ms", median(ttft), most=MOST_FIRST_TOKEN_MS),
        verdict(
            "Postgres CPU a call, ms",
            median(gateway.postgres_cpu_ms),
            most=MOST_POSTGRES_MS,
        ),
    ]
    print("\n".join(verdicts))
    if not wrong:
        answered = plain.answered + gateway.answered
        print(f"ok    {answered:,} answers, each in the ledger exactly once")
    missed = comparison.errors or wrong or any(v.startswith("MISS") for v in verdicts)
    return 1 if missed else 0


def _row(name: str, series: Series) -> list[str]:
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


def _pairs(
    some: Sequence[float], others: Sequence[float], compare: Pairwise
) -> list[float]:
    """Compare what was measured in the same round."""
    return [compare(a, b) for a, b in zip(some, others, strict=True)]
