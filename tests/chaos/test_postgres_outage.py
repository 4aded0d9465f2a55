"""Postgres stops, stands still or takes nobody in: closed, but kind, and nothing lost."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from random import Random

import httpx
import psycopg
import pytest

from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.endless import endless
from tests.chaos.figures import Figures
from tests.chaos.hits import hits_of
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.provide import provide
from tests.chaos.requests import chat, mixed
from tests.provisioning import wait_until

STREAMS = 6


@contextmanager
def halted(staged: ChaosInstallation) -> Iterator[None]:
    """Shut it down for a while."""
    staged.postgres.halt()
    yield
    staged.postgres.restart()


@contextmanager
def paused(staged: ChaosInstallation) -> Iterator[None]:
    """Have it stand still for a while."""
    staged.postgres.pause()
    yield
    staged.postgres.resume()


@contextmanager
def exhausted(staged: ChaosInstallation) -> Iterator[None]:
    """Take all of its connections for a while, those of the product too."""
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> ALL(%s) "
        "AND backend_type = 'client backend'"
    )
    with ExitStack() as ours:
        taken: list[psycopg.Connection] = []
        alone = 0
        # Who left last leaves a place, and who is about to come in is not seen yet.
        while alone < 10:
            time.sleep(0.01 * alone)
            try:
                one = psycopg.connect(staged.database_url, autocommit=True)
                taken.append(ours.enter_context(one))
                alone = 0
            except psycopg.OperationalError:
                mine = [it.info.backend_pid for it in taken]
                ended = taken[0].execute(others, [mine]).fetchall()
                alone = 0 if ended else alone + 1
        yield


Fault = Callable[[ChaosInstallation], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Moments:
    """When it was away, began to come back and was back, by time.monotonic()."""

    away: float
    returning: float
    back: float


@pytest.mark.parametrize("fault", [halted, paused, exhausted])
def test_new_calls_are_refused_and_those_under_way_end_well(
    shared: ChaosInstallation, random: Random, figures: Figures, fault: Fault
):
    if fault is exhausted and not figures.judged:
        pytest.skip("taking all connections takes too long for the short form")
    # Standing still, it is noticed after the 1.7 s that a caller can be kept.
    away_s = 10.0 if figures.judged else 1.9 if fault is paused else 0.3
    per_second, rest_s = (60, 5.0) if figures.judged else (40, 0.3)
    caller, pids = shared.caller(), [web.pid for web in shared.webs]
    model, streaming, unasked = provide(
        shared, ["usage-20-9", "hold-after-2-chunks-5", "chunks-3"]
    )
    stranger = chat(unasked, caller.key[:-4] + "0000", kind="stranger")
    calls = mixed(random, {chat(model, caller.key, kind="new"): 0.9, stranger: 0.1})
    streams = iter(chat(streaming, caller.key, stream=True), None)

    with OpenLoad(
        streams, ports=shared.ports, per_second=50, count=STREAMS
    ) as under_way:
        _wait_for_held(shared, streaming)
        with endless(shared, calls, per_second=per_second) as load:
            load.wait_for(int(per_second * rest_s))
            moments = _be_away(shared, fault, streaming, away_s)
            landed_s = _landed(shared, since=moments.back)
            wait_until(lambda: _serves_again(load, moments))

    assert [web.pid for web in shared.webs if web.is_alive] == pids
    new = [it for it in load.outcomes if it.request.kind == "new"]
    then = [
        it for it in new if moments.away <= it.began and _end(it) < moments.returning
    ]
    refused = [it for it in new if it.status == 503]
    assert {it.status for it in then} == {503}
    unkind = [it for it in new if not _is_kind(it)]
    assert unkind == []
    assert hits_of(shared, unasked).count == 0
    cut_off = [it for it in under_way.outcomes if it.end != "whole"]
    assert cut_off == []
    verdict = shared.verify()
    verdict.assert_sound()
    if figures.judged:
        how = f"{fault.__name__} for {away_s:g} s at {per_second}/s, {STREAMS} streams"
        for promise, value in (
            (promises.REFUSED_S, max(it.latency_ms for it in refused) / 1000),
            (promises.UNKIND, len(unkind)),
            (promises.STRANGERS, hits_of(shared, unasked).count),
            (promises.CUT_OFF, len(cut_off)),
            (promises.LANDED_S, landed_s),
            (promises.LOST_THEN, len(verdict.lost)),
            (promises.RESTARTED, len(pids) - sum(it.is_alive for it in shared.webs)),
        ):
            figures.measure(promise, value, how)


def _wait_for_held(staged: ChaosInstallation, model: str) -> None:
    staged.simulator.wait_for(
        lambda it: it["waiting"] == STREAMS, model=model.partition("/")[2]
    )


def _be_away(
    staged: ChaosInstallation, fault: Fault, streaming: str, away_s: float
) -> Moments:
    """Have Postgres away for a while, and streams end meanwhile."""
    with fault(staged):
        away = time.monotonic()
        probes = [httpx.get(f"{url}/healthz") for url in staged.serving()]
        assert {it.status_code for it in probes} == {200}
        probes = [httpx.get(f"{url}/readyz", timeout=10) for url in staged.serving()]
        assert {it.status_code for it in probes} == {503}
        staged.simulator.release(streaming.partition("/")[2])
        wait_until(lambda: time.monotonic() - away >= away_s, within_s=60)
        returning = time.monotonic()
    return Moments(away, returning, back=time.monotonic())


def _end(outcome: Outcome) -> float:
    return outcome.began + outcome.latency_ms / 1000


def _serves_again(load: OpenLoad, moments: Moments) -> bool:
    return any(
        it.status == 200 and it.began > moments.back for it in load.outcomes[-50:]
    )


def _landed(staged: ChaosInstallation, *, since: float) -> float:
    """Return how long after Postgres' return all that had ended was settled."""
    accepted = [
        line["attempt"]
        for line in staged.journal_lines("billed")
        if line["attempt"] is not None
    ]
    query = "SELECT count(*) AS n FROM costs_attempt WHERE id = ANY(%s::uuid[])"
    wait_until(
        lambda: staged.rows(query, accepted)[0]["n"] == len(accepted), within_s=60
    )
    return time.monotonic() - since


def _is_kind(outcome: Outcome) -> bool:
    return outcome.status == 200 or (
        outcome.status == 503
        and outcome.header("Retry-After").isdigit()
        and bool(outcome.header("X-Request-Id"))
    )
