"""Breakers and fallbacks: a provider that fails is left alone, and nobody notices it."""

import statistics
import time
import uuid
from dataclasses import dataclass
from decimal import Decimal

import orjson

from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.figures import Figures
from tests.chaos.hits import Hits, hits_of
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.provide import provide
from tests.chaos.requests import chat
from tests.fakes.simulator import SimulatorProcess
from tests.provisioning import wait_until

COOL_DOWN_S = 5.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider fails for a while; calls a second, and seconds of each part.

    slow_s: of the failing time, in which it takes a second to fail.
    """

    per_second: int
    well_s: float
    failing_s: float
    slow_s: float
    healed_s: float

    @property
    def calls(self) -> int:
        """How many are made in all."""
        return self.calls_until(self.well_s + self.failing_s + self.healed_s)

    def calls_until(self, seconds: float) -> int:
        """How many are made until then."""
        return int(self.per_second * seconds)


# Too short for a breaker to try again: only the long form sees it taken back.
_SHORT = Outage(per_second=60, well_s=0.4, failing_s=1.2, slow_s=0, healed_s=0.2)
_LONG = Outage(per_second=100, well_s=10, failing_s=60, slow_s=30, healed_s=22)


@dataclass(frozen=True, slots=True)
class Moments:
    """When what happened, by time.time()."""

    failed: float
    opened: float
    slow: float
    healed: float


def test_a_failing_provider_is_left_alone_and_taken_back(
    shared: ChaosInstallation, figures: Figures
):
    outage = _LONG if figures.judged else _SHORT
    caller = shared.caller()
    (failing,), (well,) = provide(shared, ["chunks-2"]), provide(shared, ["chunks-2"])
    route = shared.route(
        f"halves-{uuid.uuid4().hex[:6]}", failing, well, strategy="weighted"
    )
    calls = iter(chat(route, caller.key), None)

    with OpenLoad(
        calls,
        ports=shared.ports,
        per_second=outage.per_second,
        count=outage.calls,
    ) as load:
        moments = _fail_and_heal(shared, load, failing, outage)

    hits, others = hits_of(shared, failing), hits_of(shared, well)
    processes = len(shared.webs)
    before = hits.since(moments.failed, moments.opened)
    while_open = hits.since(moments.opened + 1, moments.healed)
    assert hits.since(0, moments.failed).served > 0
    failures = [it for it in before.entries if it.event == "refused"]
    assert len(failures) >= 5  # what opens one
    assert load.statuses == {200: outage.calls}
    # Those that had left when it opened, and then one at a time, after a pause.
    assert _at_once(while_open) <= processes
    if not figures.judged:
        assert while_open.count <= processes
        return
    probes = while_open.count / processes / (outage.failing_s / COOL_DOWN_S)
    open_s = moments.healed - moments.opened - 1
    last = [it for it in hits.moments if moments.opened <= it < moments.opened + 4]
    end = moments.healed + 15
    late = hits.since(end).served, others.since(end).served
    how = f"{outage.calls:,} calls at {outage.per_second}/s, {outage.failing_s:g} s of 500"
    for promise, value in (
        (promises.SERVED_WHILE_FAILING, 100 * load.statuses[200] / outage.calls),
        (promises.OPENED_AFTER_S, moments.opened - failures[0].at.timestamp()),
        (promises.OPENED_AFTER, len(failures) / processes),
        (promises.HEARD_AFTER_S, max(last, default=moments.opened) - moments.opened),
        (promises.WASTED, 100 * while_open.count / (open_s * outage.per_second)),
        (promises.PROBES, probes),
        (promises.AT_ONCE, _at_once(while_open) / processes),
        (promises.RECOVERED_S, hits.since(moments.healed).moments[0] - moments.healed),
        (promises.SHARE, 100 * late[0] / sum(late)),
    ):
        figures.measure(promise, value, how)


def _fail_and_heal(
    shared: ChaosInstallation, load: OpenLoad, model: str, outage: Outage
) -> Moments:
    name = model.partition("/")[2]
    state = (
        "SELECT extract(epoch FROM changed_at) AS at FROM llm_breaker WHERE target = %s"
    )
    load.wait_for(outage.calls_until(outage.well_s))
    failed = time.time()
    shared.simulator.act(name, "sim-500")
    wait_until(lambda: bool(shared.rows(state, model)))
    opened = float(shared.rows(state, model)[0]["at"])
    failing = outage.failing_s - outage.slow_s
    load.wait_for(outage.calls_until(outage.well_s + failing))
    slow = time.time()
    if outage.slow_s:
        shared.simulator.act(name, "sim-500-slow-first-byte-1")
        load.wait_for(outage.calls_until(outage.well_s + outage.failing_s))
    shared.simulator.act(name)
    return Moments(failed, opened, slow, time.time())


def _at_once(probes: Hits) -> int:
    """Return how many probes were under way together, each for a second at least."""
    moments = probes.moments
    return max(
        (sum(it <= other < it + 1 for other in moments) for it in moments), default=0
    )


def test_a_dead_provider_is_not_noticed(shared: ChaosInstallation, figures: Figures):
    per_second, alive, dead = (100, 1500, 5000) if figures.judged else (100, 40, 80)
    caller = shared.caller()
    with SimulatorProcess(shared.journal) as mortal:
        slug = f"mortal-{uuid.uuid4().hex[:6]}"
        shared.provider(slug, mortal.openai_url)
        rates = {"input": "0.000007", "output": "0.00007"}
        first = shared.model("sim-usage-20-9-tag-first", provider=slug, **rates)
        (second,) = provide(shared, ["usage-20-9"])
        route = shared.route(f"mortal-{uuid.uuid4().hex[:6]}", first, second)
        calls = iter(chat(route, caller.key, keeps_body=True), None)
        with OpenLoad(
            calls, ports=shared.ports, per_second=per_second, count=alive + dead
        ) as load:
            load.wait_for(alive)
            mortal.stop()
            died = time.monotonic()

    before = [it for it in load.outcomes if it.header("X-Devora-Model") == first]
    after = [it for it in load.outcomes if it not in before and it.began > died]
    assert len(before) >= alive / 2
    assert len(after) >= dead / 2
    # What it had been sent when it died may be billed, and is not sent to another.
    failed = [it for it in load.outcomes if it.status != 200 and it.began > died]
    assert failed == []
    models = {first: "0.00077", second: "0.00011"}
    answered = [it for it in load.outcomes if it.status == 200]
    wrong = [it for it in answered if not _names_who_served(it, models)]
    assert wrong == []
    rows = shared.calls(caller, count=alive + dead)
    dear = [
        row
        for row in rows
        if row["status"] == "ok" and row["cost_usd"] != Decimal(models[row["model"]])
    ]
    assert dear == []
    if figures.judged:
        how = f"{alive + dead:,} calls at {per_second}/s, dead for {dead:,}"
        opened = [it for it in after if it.began > died + 2]
        added = _median_ms(opened) - _median_ms(before)
        figures.measure(promises.FAILED_OF_10_000, 1e4 * len(failed) / dead, how)
        figures.measure(promises.FALLBACK_MS, added, how)
        figures.measure(promises.WRONG_NAMES, len(wrong), how)
        figures.measure(promises.WRONG_PRICES, len(dear), how)


def _names_who_served(outcome: Outcome, models: dict[str, str]) -> bool:
    """Whether header and body name the same model, at its price."""
    model = outcome.header("X-Devora-Model")
    answered = orjson.loads(outcome.body)["model"]
    return (
        model.partition("/")[2] == answered
        and outcome.header("X-Devora-Cost-Usd") == models[model]
    )


def _median_ms(outcomes: list[Outcome]) -> float:
    return statistics.median(outcome.latency_ms for outcome in outcomes)
