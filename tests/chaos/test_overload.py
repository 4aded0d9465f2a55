"""More calls than can be served: some are turned away at once, the others served."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from costs.backlog import MOST_STANDING
from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.endless import endless
from tests.chaos.figures import Figures
from tests.chaos.hits import hits_of
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.provide import provide
from tests.chaos.requests import Request, chat
from tests.provisioning import wait_until


def test_a_full_queue_turns_calls_away_at_once(shared: ChaosInstallation):
    """Nothing comes in or goes out of the queue while Postgres stands still."""
    web, beyond = shared.webs[0], 20
    (model,) = provide(shared, ["chunks-3"])
    calls = iter(chat(model, shared.caller().key), None)
    before = _shed(web.url)

    with endless(shared, calls, per_second=400, ports=[web.port]) as load:
        load.wait_for(5)
        shared.postgres.pause()
        wait_until(lambda: len(_overloaded(load)) >= beyond)
        served = hits_of(shared, model).count
        shared.postgres.resume()
        wait_until(lambda: hits_of(shared, model).count > served + MOST_STANDING)

    told = _overloaded(load)
    assert {it.header("x-should-retry") for it in told} == {"true"}
    assert {it.header("Retry-After") for it in told} == {"1"}
    assert all(it.header("X-Request-Id") for it in told)
    assert _shed(web.url) - before == len(told)
    assert load.statuses[200] == hits_of(shared, model).count
    shared.wait_until_settled()
    shared.verify().assert_sound()


def _overloaded(load: OpenLoad) -> list[Outcome]:
    return [it for it in load.outcomes if b'"overloaded"' in it.body]


def _shed(url: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return sum(
        it.value for f in families for it in f.samples if it.name == "devora_shed_total"
    )


STEP_S = 6
RAMP_S = 20
OVERLOAD_S = 20


def test_three_times_the_capacity_costs_little_of_it(
    shared: ChaosInstallation, figures: Figures
):
    if not figures.judged:
        pytest.skip("how much is served can only be measured")
    make = _as_agents_ask(shared)
    with _on_a_core_of_its_own(shared):
        _overload(shared, make, figures)


def _overload(
    shared: ChaosInstallation, make: Callable[[], Request], figures: Figures
) -> None:
    web = shared.webs[0]  # a process for each core
    rate, peak, memory, missed = 200, 0.0, 0, 0
    while missed < 2:  # one may be an accident
        goodput = _goodput(_offer(web.port, make, rate, STEP_S), STEP_S)
        if goodput > peak:
            peak, memory = goodput, web.rss_bytes()
        missed = missed + 1 if goodput < 0.95 * rate else 0
        rate = int(rate * 1.3)

    httpx.get(f"{web.url}/admin/login/")  # the first one reads its templates
    asks = iter(make, None)
    with endless(shared, asks, per_second=peak, ports=[web.port]) as load:
        for second in range(1, RAMP_S + 1):
            time.sleep(1)
            load.per_second = peak * (1 + 2 * second / RAMP_S)
        began, cpu_s = time.monotonic(), psutil.Process().cpu_times().user
        with _logins(web.url) as logins:
            time.sleep(OVERLOAD_S)
        ended, cpu_s = time.monotonic(), psutil.Process().cpu_times().user - cpu_s
    outcomes = [it for it in load.outcomes if began <= it.began < ended]
    told = sorted(it.latency_ms for it in outcomes if it.status == 503)
    assert len(told) > peak  # the fault was felt
    how = (
        f"{len(outcomes) / OVERLOAD_S:.0f}/s offered, peak {peak:.0f}/s on one core; "
        f"the load took {cpu_s / OVERLOAD_S:.1f} of another"
    )
    for promise, value in (
        (promises.GOODPUT, 100 * _served(outcomes) / OVERLOAD_S / peak),
        (promises.SHED_MEDIAN_MS, told[len(told) // 2]),
        (promises.SHED_MS, told[int(0.99 * len(told))]),
        (promises.LOGIN_S, max(logins)),
        (
            promises.OVERLOAD_MEMORY,
            web.rss_bytes() / memory,
        ),
    ):
        figures.measure(promise, value, how)


def _as_agents_ask(staged: ChaosInstallation) -> Callable[[], Request]:
    """Return what makes calls, every second of them a stream."""
    whole, streamed = (
        staged.model(name, input="0.000001", output="0.00001")
        for name in ("sim-instant", "sim-chunks-9")
    )
    key = staged.caller().key
    makers = itertools.cycle(
        (
            chat(whole, key, patience_s=30),
            chat(streamed, key, stream=True, patience_s=30),
        )
    )
    return lambda: next(makers)()


def _offer(port: int, make: Callable[[], Request], rate: int, seconds: int) -> OpenLoad:
    with OpenLoad(
        iter(make, None), ports=lambda: [port], per_second=rate, count=rate * seconds
    ) as load:
        pass
    return load


def _goodput(load: OpenLoad, seconds: float) -> float:
    return _served(load.outcomes) / max(seconds, load.seconds)


def _served(outcomes: Iterable[Outcome]) -> int:
    """Return how many were served within two seconds of their time."""
    return sum(it.status == 200 and it.latency_ms < 2000 for it in outcomes)


@contextmanager
def _on_a_core_of_its_own(staged: ChaosInstallation) -> Iterator[None]:
    """Give what is judged one core, and who calls and who answers upstream another.

    Callers who take the processor away from those they call would be judged with them.
    """
    ours, theirs = sorted(os.sched_getaffinity(0))[:2]
    simulator = staged.simulator.pid
    for process in psutil.Process().children(recursive=True):
        core = theirs if process.pid == simulator else ours
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})
    os.sched_setaffinity(0, {theirs})
    try:
        yield
    finally:
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {ours, theirs})


@contextmanager
def _logins(url: str) -> Iterator[list[float]]:
    """Ask for the login page over and over; the list gets the seconds that each took."""
    taken: list[float] = []
    done = threading.Event()

    # Nothing that takes the processor from the load, in whose process this is.
    client = httpx.Client(base_url=url, timeout=60, verify=False)

    def ask() -> None:
        while not done.is_set():
            began = time.monotonic()
            answer = client.get("/admin/login/", headers={"Connection": "close"})
            taken.append(time.monotonic() - began if answer.status_code == 200 else 60)
            done.wait(0.5)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()
