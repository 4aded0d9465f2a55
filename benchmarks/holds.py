"""How long a hold takes: five nested hard budgets, sixteen callers at once.

A ledger alone on one core, as in a web worker, and a durable Postgres on the others.
Each caller holds, settles and holds again without a pause, so that settlements write
the same counters meanwhile: no upstream is ever as fast.
"""

import json
from statistics import median

import psycopg

from benchmarks.books import verify
from benchmarks.installation import Installation, install, shell, simulate
from benchmarks.report import spread, table, verdict
from benchmarks.stage import Stage

ROUNDS = 4
CALLERS = 16

MOST_P95_MS = 3.0

_NEST = "from benchmarks.provision import nest; print(nest())"
_LEFT = """
SELECT (SELECT count(*) FROM costs_hold), (SELECT coalesce(sum(held), 0) FROM costs_counter)
"""


def main() -> int:
    """Measure and print; 1 when the bar is missed or something stayed held."""
    with Stage() as stage:
        installation = install(stage, simulate(stage))
        budgets = shell(stage, "nest", _NEST, installation.environ)
        told = stage.run(
            *("callers", "-m", "benchmarks.holding", installation.postgres.url),
            *(budgets, str(CALLERS), str(ROUNDS)),
            measured=True,
        )
        rounds: list[list[float]] = json.loads(told.splitlines()[-1])
        wrong = [*_left(installation), *verify(stage, installation)]
        print(
            f"\nHolds in five budgets: {stage.describe()}; {ROUNDS} rounds, "
            "median (range)"
        )
    return _print(rounds, wrong)


def _left(installation: Installation) -> list[str]:
    """Return what is wrong when money is still set aside."""
    with psycopg.connect(installation.postgres.url) as connection:
        holds = connection.execute(_LEFT).fetchone()
    return [] if holds == (0, 0) else [f"(open holds, held USD) are {holds}"]


def _print(rounds: list[list[float]], wrong: list[str]) -> int:
    rates, p50, p95 = zip(*rounds, strict=True)
    row = [f"c{CALLERS}", spread(rates, 0), spread(p50), spread(p95)]
    print(table(["", "holds/s", "p50 ms", "p95 ms"], [row]))
    print()
    for problem in wrong:
        print(f"MISS  {problem}")
    held = verdict("hold p95, ms", median(p95), most=MOST_P95_MS)
    print(held)
    return 1 if wrong or held.startswith("MISS") else 0
