"""The gateway with everything on, beside a bare proxy and beside nothing.

One worker on one core: key, limits of key and agent, a cache look-up that misses and is
filled, two hard budgets, hold, settle, facts, content, rollups and news.
"""

from statistics import median

from benchmarks import books
from benchmarks.comparison import HEADS, Comparison, Subject, pairs, row
from benchmarks.installation import PRODUCT, PROXY, install, simulate
from benchmarks.report import spread, table, verdict
from benchmarks.stage import Stage

ROUNDS = 4

LEAST_RATIO = 0.4
LEAST_PLAIN_RATIO = 0.25
MOST_OVERHEAD_MS = 1.5
MOST_FIRST_TOKEN_MS = 1.5
MOST_POSTGRES_MS = 0.1


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
    print(table(HEADS, [row(*each) for each in comparison.series.items()]))
    ratios = pairs(gateway.per_second, bare.per_second, lambda a, b: a / b)
    without = pairs(plain.per_second, bare.per_second, lambda a, b: a / b)
    lean = pairs(bare.cpu_ms, gateway.cpu_ms, lambda a, b: a / b)
    over = pairs(gateway.idle_p50_ms, direct.idle_p50_ms, lambda a, b: a - b)
    ttft = pairs(gateway.first_byte_ms, direct.first_byte_ms, lambda a, b: a - b)
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
