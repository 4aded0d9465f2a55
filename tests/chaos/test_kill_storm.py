"""Web processes killed again and again under load: no bill is lost, none comes twice."""

import signal
import time
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.requests import chat, mixed
from tests.chaos.web_process import WebProcess

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


_SHORT = Storm(per_second=60, calls=120, kills=3, every_s=0.5, most_s=30.0)
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
    prices = {"input": "0.000001", "output": "0.00001"}
    streamed = staged.model("sim-chunks-10-gap-20", **prices)
    whole = staged.model("sim-slow-first-byte-0.1", **prices)
    calls = mixed(
        random,
        {
            chat(streamed, caller.key, stream=True): 0.5,
            chat(whole, caller.key): 0.5,
        },
    )

    with OpenLoad(
        calls,
        ports=staged.ports,
        per_second=storm.per_second,
        most_under_way=_MOST_UNDER_WAY,
    ) as load:
        killed, oldest_s = _blow(storm, staged, load)
    last, _ = killed[-1]
    if not figures.judged:
        staged.let_a_minute_pass()
    staged.wait_until_settled(within_s=promises.CLEARED.most or 0)
    cleared_s = time.monotonic() - last
    verdict = staged.verify()

    in_flight = _in_flight(load, killed)
    assert load.ended["closed"] >= storm.kills  # the faults were felt
    # Who cannot ask Postgres in time is refused; a process that starves may be.
    assert set(load.statuses) <= {0, 200, 503}
    assert load.ended["refused"] == 0
    verdict.assert_sound()
    assert len(verdict.unknown) <= in_flight
    assert verdict.held == []
    assert verdict.reserved_usd == 0
    spent = {it["id"]: Decimal(it["spent"]) for it in verdict.budgets}
    assert [spent[budget] for budget in budgets] == [verdict.booked_usd] * 2
    how = (
        f"{len(verdict.accepted):,} calls at {load.calls_per_second:.0f}/s, "
        f"{storm.kills} kills"
    )
    figures.measure(promises.LOST, len(verdict.lost), how)
    figures.measure(promises.DOUBLE, len(verdict.double), how)
    figures.measure(promises.STORM_CALLS, len(verdict.accepted), how)
    figures.measure(
        promises.UNKNOWN, len(verdict.unknown) / in_flight, f"{in_flight} in flight"
    )
    figures.measure(promises.CLEARED, max(cleared_s, *oldest_s))


def _blow(
    storm: Storm, staged: ChaosInstallation, load: OpenLoad
) -> tuple[list[tuple[float, WebProcess]], list[float]]:
    """Kill one process after the other; return when whom, and the oldest holds seen."""
    killed, oldest_s = [], []
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
        oldest_s.append(staged.oldest_hold_s())
    for web in staged.webs:
        web.finish()
    load.wait_for(storm.calls, until=began + storm.most_s)
    load.stop()
    return killed, oldest_s


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
