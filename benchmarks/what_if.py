"""What-ifs over a quarter of facts, beside what merely counting and summing them takes.

Nothing is cached between rounds but what Postgres has in memory, which is the same for
all: they take turns.
"""

import json

from benchmarks.installation import install, simulate
from benchmarks.report import spread, table
from benchmarks.stage import Stage

ROWS = 300_000
_MEASURE = "from benchmarks.what_if_facts import measure; print(measure({}))"


def main(rows: int = ROWS) -> int:
    """Measure and print. rows: attempts to fill an empty database with."""
    with Stage() as stage:
        installation = install(stage, simulate(stage))
        statement = _MEASURE.format(rows)
        said = stage.run(
            *("what-if", "manage.py", "shell", "--verbosity", "0"),
            *("--command", statement),
            measured=True,
            environ=installation.environ,
        )
        told = json.loads(said.splitlines()[-1])
        print(
            f"\nWhat-ifs over {rows:,} attempts of 90 days: {stage.describe()}; "
            f"{told['rounds']} rounds, median (range)"
        )
    times, read = told["times"], told["read"]
    lines = [[name, spread(times[name]), read.get(name, "")] for name in times]
    print(table(["", "s", "read"], lines))
    return 0
