"""Five hundred streams at once through one web worker, all else on the other cores."""

from collections.abc import Iterator

from benchmarks import books, load
from benchmarks.comparison import Subject
from benchmarks.installation import PACED, PRODUCT, install, simulate
from benchmarks.report import table, verdict
from benchmarks.stage import Stage
from devora_ops.simulator.journal import read

STREAMS = 500
_RAMP_S = 2.0  # shorter than one stream, so that all of the first ones overlap
_SECONDS = 12.0


def main() -> int:
    """Measure and print; 1 when one fails or is not in the ledger exactly once."""
    with Stage() as stage:
        simulator = simulate(stage)
        installation = install(stage, simulator)
        environ = installation.environ
        product = stage.serve("gateway", *PRODUCT, measured=True, environ=environ)
        subjects = [
            Subject("direct", simulator),
            Subject(
                "gateway, limits and cache",
                product,
                prefix="bench/",
                key=installation.limited_key,
                cache=True,
            ),
        ]
        results = {each.name: _load(each) for each in subjects}
        *_, through = results.values()
        wrong = books.check(stage, installation, through.requests)
        at_once = max(_under_way(stage), default=0)
        print(f"\n{STREAMS} streams at once: {stage.describe()}")
    return _print(results, at_once, wrong)


def _load(subject: Subject) -> load.Result:
    target = subject.target(PACED, stream=True)
    return load.run(target, concurrency=STREAMS, seconds=_SECONDS, ramp_s=_RAMP_S)


def _under_way(stage: Stage) -> Iterator[int]:
    """Yield how many streams of the gateway the upstream had open, from call to call."""
    count = 0
    for entry in read(stage.folder / "simulator.jsonl"):
        if entry.attempt is not None:
            count += {"accepted": 1, "billed": -1}.get(entry.event, 0)
            yield count


def _print(results: dict[str, load.Result], at_once: int, wrong: list[str]) -> int:
    rows = [
        [
            name,
            f"{each.requests:,}",
            *(f"{each.first_byte_ms(q):.1f}" for q in (0.5, 0.95, 0.99)),
            f"{each.latency_ms(0.5) / 1000:.2f}",
        ]
        for name, each in results.items()
    ]
    heads = ["", "streams", "TTFT p50 ms", "p95 ms", "p99 ms", "whole p50 s"]
    print(table(heads, rows))
    print()
    errors = [
        f"{name}: {n} × {error}"
        for name, each in results.items()
        for error, n in each.errors.items()
    ]
    for problem in [*errors, *wrong]:
        print(f"MISS  {problem}")
    held = verdict("streams open at once", at_once, least=STREAMS)
    print(held)
    if not errors:
        print("ok    no stream failed")
    if not wrong:
        print("ok    each stream of the gateway in the ledger exactly once")
    return 1 if errors or wrong or held.startswith("MISS") else 0
