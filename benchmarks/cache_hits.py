"""How long an answer takes that the process has kept: nobody is asked for it."""

from dataclasses import replace
from statistics import median

import redis

from benchmarks import books, load
from benchmarks.comparison import Subject
from benchmarks.installation import INSTANT, PRODUCT, Installation, install, simulate
from benchmarks.report import spread, table, verdict
from benchmarks.stage import Server, Stage

ROUNDS = 4
_SECONDS = 1.5
_WARM_S = 0.5
_HIT = b"\r\nx-devora-cache: hit"
_NUMBER = 10**11  # far above those that other loads come to

MOST_HIT_MS = 1.0

Rounds = dict[str, list[load.Result]]


def main() -> int:
    """Measure and print; 1 when the bar is missed or somebody else was asked."""
    with Stage() as stage:
        installation = install(stage, simulate(stage))
        environ = installation.environ
        product = stage.serve("gateway", *PRODUCT, measured=True, environ=environ)
        targets = _targets(product, installation)
        warm = [
            load.run(each, concurrency=1, seconds=_WARM_S) for each in targets.values()
        ]
        asked = _redis_gets(installation)
        rounds = _measure(targets)
        asked = _redis_gets(installation) - asked
        measured = [each for results in rounds.values() for each in results]
        wrong = [f"{n} × {e}" for r in [*warm, *measured] for e, n in r.errors.items()]
        if asked:
            wrong.append(f"Redis was asked for {asked} of the answers")
        hits = sum(each.requests for each in [*warm, *measured]) - len(targets)
        wrong += books.check(stage, installation, len(targets), cached=hits)
        print(f"\nCache hits: {stage.describe()}; {ROUNDS} rounds, median (range)")
    return _print(rounds, wrong)


def _targets(product: Server, installation: Installation) -> dict[str, load.Target]:
    """Return a request for each key; the first answer to it is no hit."""
    keys = {
        "without limits": installation.key,
        "limits of key and agent": installation.limited_key,
    }
    subjects = [
        Subject(name, product, prefix="bench/", key=key, cache=True)
        for name, key in keys.items()
    ]
    return {
        subject.name: replace(subject.target(INSTANT), number=_NUMBER + place)
        for place, subject in enumerate(subjects)
    }


def _measure(targets: dict[str, load.Target]) -> Rounds:
    rounds: Rounds = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, target in targets.items():
            hits = replace(target, expects=_HIT)
            rounds[name].append(load.run(hits, concurrency=1, seconds=_SECONDS))
    return rounds


def _redis_gets(installation: Installation) -> int:
    """Return how many values Redis has been asked for."""
    with redis.Redis.from_url(installation.environ["REDIS_URL"]) as client:
        return int(client.info("commandstats").get("cmdstat_get", {}).get("calls", 0))


def _print(rounds: Rounds, wrong: list[str]) -> int:
    rows, verdicts = [], []
    for name, results in rounds.items():
        p95 = [each.latency_ms(0.95) for each in results]
        p50 = [each.latency_ms(0.5) for each in results]
        rate = spread([each.per_second for each in results], 0)
        rows.append([name, rate, spread(p50), spread(p95)])
        what = f"cache hit p95, {name}, ms"
        verdicts.append(verdict(what, median(p95), most=MOST_HIT_MS))
    print(table(["", "hits/s c1", "p50 ms", "p95 ms"], rows))
    print()
    for problem in wrong:
        print(f"MISS  {problem}")
    print("\n".join(verdicts))
    return 1 if wrong or any(each.startswith("MISS") for each in verdicts) else 0
