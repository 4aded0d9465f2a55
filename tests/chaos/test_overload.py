"""More calls than can be served: some are turned away at once, the others served."""

import threading
import time
from collections.abc import Callable, Iterator
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
OVERLOAD_S = 20


def test_three_times_the_capacity_costs_little_of_it(
    shared: ChaosInstallation, figures: Figures
):
    if not figures.judged:
        pytest.skip("how much is served can only be measured")
    model = shared.model("sim-instant", input="0.000001", output="0.00001")
    make = chat(model, shared.caller().key, patience_s=30)
    rate, peak, memory = 200, 0.0, 0
    while True:
        goodput = _goodput(_offer(shared, make, rate, STEP_S), STEP_S)
        if goodput < 0.95 * rate:
            break
        peak, memory = goodput, max(web.rss_bytes() for web in shared.webs)
        rate = int(rate * 1.3)
    peak = max(peak, goodput)

    began = psutil.Process().cpu_times().user
    with _logins(shared.webs[0].url) as logins:
        load = _offer(shared, make, int(3 * peak), OVERLOAD_S)
    generator = (psutil.Process().cpu_times().user - began) / load.seconds

    told = sorted(it.latency_ms for it in load.outcomes if it.status == 503)
    assert len(told) > peak  # the fault was felt
    how = (
        f"{3 * peak:.0f}/s offered, peak {peak:.0f}/s; the load itself took "
        f"{generator:.1f} of the {psutil.cpu_count()} cores"
    )
    for promise, value in (
        (promises.GOODPUT, 100 * _goodput(load, OVERLOAD_S) / peak),
        (promises.SHED_MEDIAN_MS, told[len(told) // 2]),
        (promises.SHED_MS, told[int(0.99 * len(told))]),
        (promises.LOGIN_S, max(logins)),
        (
            promises.OVERLOAD_MEMORY,
            max(web.rss_bytes() for web in shared.webs) / memory,
        ),
    ):
        figures.measure(promise, value, how)


def _offer(
    staged: ChaosInstallation, make: Callable[[], Request], rate: int, seconds: int
) -> OpenLoad:
    with OpenLoad(
        iter(make, None), ports=staged.ports, per_second=rate, count=rate * seconds
    ) as load:
        pass
    return load


def _goodput(load: OpenLoad, seconds: float) -> float:
    """Return how many a second were served within two seconds of their time."""
    good = sum(it.status == 200 and it.latency_ms < 2000 for it in load.outcomes)
    return good / max(seconds, load.seconds)


@contextmanager
def _logins(url: str) -> Iterator[list[float]]:
    """Ask for the login page over and over; the list gets the seconds that each took."""
    taken: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            began = time.monotonic()
            answer = httpx.get(f"{url}/admin/login/", timeout=60)
            taken.append(time.monotonic() - began if answer.status_code == 200 else 60)
            done.wait(0.5)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()
