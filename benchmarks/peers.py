"""The gateway with everything on, beside LiteLLM's proxy without a database."""

from statistics import median

from benchmarks import books
from benchmarks.comparison import HEADS, Comparison, Subject, pairs, row
from benchmarks.installation import PRODUCT, install, simulate
from benchmarks.litellm_proxy import KEY, prove, serve_litellm
from benchmarks.report import spread, table, verdict
from benchmarks.stage import Stage

ROUNDS = 4
_WARM_S = 3.0  # LiteLLM imports the last of itself while it answers

LEAST_RATIO = 20


def main() -> int:
    """Measure and print; 1 when the bar is missed or the books are wrong."""
    with Stage() as stage:
        simulator = simulate(stage)
        litellm = serve_litellm(stage, simulator)
        prove(litellm, simulator)
        installation = install(stage, simulator)
        environ = installation.environ
        gateway = Subject(
            "gateway, limits and cache",
            stage.serve("gateway", *PRODUCT, measured=True, environ=environ),
            prefix="bench/",
            key=installation.limited_key,
            cache=True,
        )
        subjects = [
            Subject("direct", simulator),
            Subject("LiteLLM's proxy", litellm, key=KEY),
            gateway,
        ]
        comparison = Comparison(subjects, installation)
        comparison.run(ROUNDS, warm_s=_WARM_S)
        answered = comparison.series[gateway.name].answered
        wrong = books.check(stage, installation, answered)
        print(f"\nPeers: {stage.describe()}; {ROUNDS} rounds, median (range)")
        return _print(comparison, wrong)


def _print(comparison: Comparison, wrong: list[str]) -> int:
    direct, litellm, gateway = comparison.series.values()
    print(table(HEADS, [row(*each) for each in comparison.series.items()]))
    ratios = pairs(gateway.per_second, litellm.per_second, lambda a, b: a / b)
    lean = pairs(litellm.cpu_ms, gateway.cpu_ms, lambda a, b: a / b)
    print(f"\nratio gateway/LiteLLM {spread(ratios, 1)}; by CPU time {spread(lean, 1)}")
    for name, series in (("gateway", gateway), ("LiteLLM", litellm)):
        over = pairs(series.idle_p50_ms, direct.idle_p50_ms, lambda a, b: a - b)
        print(f"p50 over direct, c1   {spread(over)} ms  {name}")
    print()
    for problem in [*comparison.errors, *wrong]:
        print(f"MISS  {problem}")
    held = verdict("ratio to LiteLLM's proxy", median(ratios), least=LEAST_RATIO)
    print(held)
    return 1 if comparison.errors or wrong or held.startswith("MISS") else 0
