"""Redis stands still, dies and comes back empty: calls, budgets and limits do not mind."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random

from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.percentiles import p99_ms
from tests.chaos.provide import provide
from tests.chaos.requests import chat, mixed
from tests.chaos.web_process import WebProcess
from tests.provisioning import wait_until

_SETTLED_S = 2.0  # after a change, until it is judged how fast calls are


@dataclass(frozen=True, slots=True)
class Sample:
    """What the web processes had used up at a moment of time.monotonic()."""

    at: float
    cpu_s: float
    log_bytes: int
    rss_bytes: Sequence[int]

    @classmethod
    def of(cls, webs: Sequence[WebProcess]) -> "Sample":
        """Take one now."""
        return cls(
            time.monotonic(),
            sum(web.cpu_s() for web in webs),
            sum(web.log_bytes() for web in webs),
            [web.rss_bytes() for web in webs],
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of one load."""

    name: str
    began: Sample
    ended: Sample
    outcomes: Sequence[Outcome]

    @property
    def cpu_ms(self) -> float:
        """CPU a call."""
        return 1000 * (self.ended.cpu_s - self.began.cpu_s) / len(self.outcomes)

    @property
    def log_bytes(self) -> float:
        """Bytes logged a call."""
        return (self.ended.log_bytes - self.began.log_bytes) / len(self.outcomes)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of latencies, once the change is over."""
        return p99_ms(
            it
            for it in self.outcomes
            if it.status == 200 and it.began > self.began.at + _SETTLED_S
        )

    def growth(self, before: "Phase") -> float:
        """Memory in proportion to what it was before, of the process that grew most."""
        pairs = zip(self.ended.rss_bytes, before.ended.rss_bytes, strict=True)
        return max(now / then for now, then in pairs)


def test_calls_budgets_and_limits_do_without_redis(
    shared: ChaosInstallation, random: Random, figures: Figures
):
    per_second, seconds = (80, 45) if figures.judged else (60, 1)
    per_minute = 240 if figures.judged else 20
    caller = shared.caller()
    limited = shared.caller(limits={"requests_per_minute": per_minute})
    budget = shared.budget(limit_usd="100", team=caller.team)
    (model,) = provide(shared, ["usage-20-9"])
    same = chat(
        model, caller.key, kind="cached", headers=_CACHED, user=uuid.uuid4().hex
    )()
    calls = mixed(
        random,
        {
            chat(model, caller.key, kind="plain"): 0.6,
            chat(model, limited.key, kind="limited"): 0.2,
            lambda: same: 0.2,
        },
    )

    with OpenLoad(
        calls,
        ports=shared.ports,
        per_second=per_second,
        count=4 * per_second * seconds,
    ) as load:
        back_s, phases = _take_away(shared, load, per_second * seconds)

    failed = [it for it in load.outcomes if it.status not in _allowed(it)]
    assert failed == []
    admitted = [
        it.began
        for it in load.outcomes
        if it.request.kind == "limited" and it.status == 200
    ]
    busiest = max(sum(it <= at < it + 60 for at in admitted) for it in admitted)
    assert promises.OVER_LIMIT.most is not None
    assert per_minute / 2 <= busiest <= promises.OVER_LIMIT.most * per_minute
    shared.wait_until_settled()
    verdict = shared.verify()
    verdict.assert_sound()
    (spent,) = (it["spent"] for it in verdict.budgets if it["id"] == budget)
    mine = verdict.of(caller.agent)
    assert mine.billed_usd == mine.booked_usd == Decimal(spent) > 0
    if figures.judged:
        well, *others = phases
        how = f"{len(load.outcomes):,} calls at {per_second}/s, {seconds} s each: paused, dead, empty"
        for promise, value in (
            (promises.WITHOUT_REDIS, len(failed)),
            (promises.OFF_BUDGET, float(mine.booked_usd - mine.billed_usd)),
            (promises.OVER_LIMIT, busiest / per_minute),
            (promises.LOGGED, max(it.log_bytes for it in others)),
            (promises.MEMORY, max(it.growth(well) for it in others)),
            (promises.CPU, max(it.cpu_ms for it in others) / well.cpu_ms),
            (promises.SLOWER_MS, max(it.p99_ms for it in others) - well.p99_ms),
            (promises.NORMAL_S, back_s),
        ):
            figures.measure(promise, value, how)


_CACHED = {"X-Devora-Cache-Control": "use"}


def _allowed(outcome: Outcome) -> tuple[int, ...]:
    return (200, 429) if outcome.request.kind == "limited" else (200,)


def _take_away(
    staged: ChaosInstallation, load: OpenLoad, calls: int
) -> tuple[float, list[Phase]]:
    """Do all of it under load; return how long the return took, and the phases."""
    redis, phases, back_s = staged.redis, [], 0.0
    steps: list[tuple[str, Callable[[], object]]] = [
        ("well", lambda: None),
        ("paused", lambda: redis.ask("CLIENT", "PAUSE", 600_000, "ALL")),
        ("dead", redis.halt),
        ("empty", redis.restart),
    ]
    for step, (name, change) in enumerate(steps, start=1):
        logged = [
            web.log.read_text() if web.log.exists() else "" for web in staged.webs
        ]
        change()
        began = Sample.of(staged.webs)
        if name == "empty":
            wait_until(lambda: _connections(staged) == len(staged.webs))
            back_s = time.monotonic() - began.at
        load.wait_for(step * calls)
        if name == "paused":  # it was felt, by every process
            for web, before in zip(staged.webs, logged, strict=True):
                wait_until(partial(_says_that_it_is_away, web, before))
        ended = Sample.of(staged.webs)
        outcomes = [it for it in load.outcomes if began.at <= it.began < ended.at]
        phases.append(Phase(name, began, ended, outcomes))
    return back_s, phases


def _connections(staged: ChaosInstallation) -> int:
    """Count the gateways that are connected."""
    clients = staged.redis.ask("CLIENT", "LIST")
    assert isinstance(clients, str | bytes | list)
    return str(clients).count("devora-gateway")


def _says_that_it_is_away(web: WebProcess, before: str) -> bool:
    said = web.log.read_text().removeprefix(before)
    return "is away, going on without" in said
