"""Callers of one ledger: `python -m benchmarks.holding <url> <budgets> <callers> <rounds>`.

budgets: for each agent the ids of its budgets, `1,2,3;1,2,4`. Prints a list with holds
a second, p50 and p95 in milliseconds for each round, as JSON.
"""

import asyncio
import datetime as dt
import json
import sys
import time
from decimal import Decimal
from statistics import quantiles

import uvloop

from costs.facts import AttemptFact, CallFact, Settlement, Who
from costs.ledger import Ledger
from costs.pricing import Usage
from costs.reserving import Reservation
from devora_ops.common.ids import uuid7

_WARM_S, _SECONDS = 1.0, 4.0
_AMOUNT, _COST = Decimal("0.0123"), Decimal("0.00456")
_WHO, _USAGE = Who(team="bench-team", agent="bench"), Usage(input=900, output=100)
_FACTS = (
    b'{"who": {"team": "bench-team", "agent": "bench"}, "requested": "bench/m",'
    b' "request_id": "r", "provider": "bench", "model": "bench/m", "number": 1,'
    b' "priced": true}'
)


class Caller:
    """Holds and settles as fast as it goes."""

    def __init__(self, ledger: Ledger, budgets: tuple[int, ...]) -> None:
        self.latencies_ms: list[float] = []
        self._ledger = ledger
        self._budgets = budgets

    async def call(self, until: float) -> None:
        """Go on until a moment of the monotonic clock, and until all is durable."""
        settled = []
        while (began := time.perf_counter()) < until:
            held = Reservation(uuid7(), uuid7(), _AMOUNT, self._budgets, _FACTS)
            counters = await self._ledger.hold(held)
            self.latencies_ms.append((time.perf_counter() - began) * 1000)
            settled.append(self._ledger.settle(_settlement(held, counters)))
        await asyncio.gather(*settled)


async def measure(
    url: str, budgets: list[tuple[int, ...]], callers: int, rounds: int
) -> list[list[float]]:
    """Return holds a second, p50 and p95 in milliseconds of each round."""
    ledger = Ledger(url, label="bench")
    await ledger.start()
    await _round(ledger, budgets, callers, _WARM_S)
    told = []
    for _ in range(rounds):
        latencies = await _round(ledger, budgets, callers, _SECONDS)
        cuts = quantiles(latencies, n=100)
        told.append([len(latencies) / _SECONDS, cuts[49], cuts[94]])
    await ledger.stop()
    return told


async def _round(
    ledger: Ledger, budgets: list[tuple[int, ...]], callers: int, seconds: float
) -> list[float]:
    mine = [Caller(ledger, budgets[n % len(budgets)]) for n in range(callers)]
    until = time.perf_counter() + seconds
    await asyncio.gather(*(each.call(until) for each in mine))
    return [latency for each in mine for latency in each.latencies_ms]


def _settlement(held: Reservation, counters: tuple[int, ...]) -> Settlement:
    now = dt.datetime.now(dt.UTC)
    attempt = AttemptFact(
        id=held.attempt_id,
        call_id=held.call_id,
        number=1,
        who=_WHO,
        provider="bench",
        model="bench/m",
        state="settled",
        settled_at=now,
        latency_ms=1.0,
        usage=_USAGE,
        cost_usd=_COST,
        counters=counters,
    )
    call = CallFact(
        id=held.call_id,
        who=_WHO,
        requested="bench/m",
        model="bench/m",
        status="ok",
        http_status=200,
        finished_at=now,
        latency_ms=1.0,
        usage=_USAGE,
        cost_usd=_COST,
        attempts=1,
    )
    return Settlement((attempt,), call)


def main() -> None:
    """Measure as the command line says."""
    url, budgets, callers, rounds = sys.argv[1:]
    nests = [tuple(map(int, nest.split(","))) for nest in budgets.split(";")]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(measure(url, nests, int(callers), int(rounds)))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
