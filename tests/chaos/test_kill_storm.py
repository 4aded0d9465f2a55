"""Web processes killed again and again under load: no bill is lost, none comes twice."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.judge import Verdict
from tests.chaos.load import OpenLoad
from tests.chaos.requests import Request, chat, mixed
from tests.chaos.web_process import WebProcess
from tests.provisioning import Caller

# A settlement waits for others for 30 ms and then for the disk: till then, an answered
# call is under way for the ledger.
_SETTLING_S = 0.25


@dataclass(frozen=True, slots=True)
class Storm:
    """How hard it blows, and for how long. every_s: from one kill to the next.

    calls: it goes on until so many have ended, but no longer than most_s.
    """

    per_second: float
    calls: int
    kills: int
    every_s: float
    most_s: float


_SHORT = Storm(per_second=60, calls=120, kills=2, every_s=0.5, most_s=30.0)
_LONG = Storm(
    per_second=300,
    calls=int(promises.STORM_CALLS.least or 0) + 500,
    kills=10,
    every_s=12.0,
    most_s=200.0,
)
# More at once than two cores answer in time.
_MOST_UNDER_WAY = 200


def test_nothing_is_lost_when_web_processes_are_killed_under_load(
    staged: ChaosInstallation, random: Random, figures: Figures
):
    storm = _LONG if figures.judged else _SHORT
    caller = staged.caller()
    budgets = [
        staged.budget(limit_usd="1000000", team=caller.team),
        staged.budget(limit_usd="1000000", agent=caller.agent, period="day"),
    ]
    load = OpenLoad(
        _calls(staged, caller, random),
        ports=staged.ports,
        per_second=storm.per_second,
        most_under_way=_MOST_UNDER_WAY,
    )

    with staged.watching_holds() as holds:
        with load:
            killed = _blow(storm, staged, load)
        if not figures.judged:
            staged.let_a_minute_pass()
        staged.wait_until_settled()
    verdict = staged.verify()

    in_flight = _in_flight(load, killed)
    _measure(figures, verdict, load, in_flight)
    figures.measure(promises.CLEARED, holds.oldest_s)
    assert load.ended["closed"] >= storm.kills  # the faults were felt
    # Who cannot ask Postgres in time is refused; a process that starves may be.
    assert set(load.statuses) <= {0, 200, 503}
    assert load.ended["refused"] == 0
    verdict.assert_sound()
    assert 0 < len(verdict.unknown) <= in_flight
    assert verdict.held == []
    assert verdict.reserved_usd == 0
    spent = {it["id"]: Decimal(it["spent"]) for it in verdict.budgets}
    booked = verdict.of(caller.agent).booked_usd
    assert [spent[budget] for budget in budgets] == [booked, booked]


def _calls(
    staged: ChaosInstallation, caller: Caller, random: Random
) -> Iterator[Request]:
    """Yield streams and JSON calls, as many of these as of those."""
    prices = {"input": "0.000001", "output": "0.00001"}
    streamed = staged.model("sim-chunks-10-gap-20", **prices)
    whole = staged.model("sim-slow-first-byte-0.1", **prices)
    streams, answers = chat(streamed, caller.key, stream=True), chat(whole, caller.key)
    return mixed(random, {streams: 0.5, answers: 0.5})


def _measure(
    figures: Figures, verdict: Verdict, load: OpenLoad, in_flight: int
) -> None:
    how = f"{len(load.outcomes):,} calls at {load.calls_per_second:.0f}/s"
    figures.measure(promises.LOST, len(verdict.lost), how)
    figures.measure(promises.DOUBLE, len(verdict.double), how)
    figures.measure(promises.STORM_CALLS, len(verdict.accepted), how)
    share = len(verdict.unknown) / in_flight
    figures.measure(promises.UNKNOWN, share, f"of {in_flight} in flight")


def _blow(
    storm: Storm, staged: ChaosInstallation, load: OpenLoad
) -> list[tuple[float, WebProcess]]:
    """Kill one process after the other; return when it was whose turn."""
    killed = []
    began = time.monotonic()
    for number in range(storm.kills):
        load.wait_until(began + (number + 0.5) * storm.every_s)
        for web in staged.webs:
            web.finish()  # one at least serves all the time
        web = staged.webs[number % len(staged.webs)]
        load.wait_for_calls_at(web.port)
        killed.append((time.monotonic(), web))
        web.kill()
        assert web.exit_code == -signal.SIGKILL
        web.begin()
    for web in staged.webs:
        web.finish()
    load.wait_for(storm.calls, until=began + storm.most_s)
    load.stop()
    return killed


def _in_flight(load: OpenLoad, killed: list[tuple[float, WebProcess]]) -> int:
    """Count the calls that a killed process had not answered, or not yet settled."""
    return sum(
        outcome.port == web.port
        and outcome.began <= moment
        and (outcome.ended_at > moment - _SETTLING_S)
        for moment, web in killed
        for outcome in load.outcomes
        if outcome.end in {"whole", "closed"}
    )


def test_the_judge_misses_what_is_taken_from_the_books(
    staged: ChaosInstallation, random: Random
):
    caller = staged.caller()
    calls = _calls(staged, caller, random)
    with OpenLoad(calls, ports=staged.ports, per_second=100, count=20) as load:
        pass

    assert load.ended == {"whole": 20}
    staged.wait_until_settled()
    verdict = staged.verify().of(caller.agent)
    verdict.assert_sound()
    assert len(verdict.accepted) == 20
    assert verdict.booked_usd == verdict.billed_usd > 0
    gone, *_ = verdict.exported
    verdict.exported.remove(gone)
    assert verdict.lost == [gone.attempt]
    with pytest.raises(AssertionError):
        verdict.assert_sound()
