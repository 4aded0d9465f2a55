"""Everything that can go wrong at once, and then: is money still set aside?"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.requests import HangUp, Request, chat, mixed
from tests.provisioning import Caller

_PRICES = {"input": "0.000001", "output": "0.00001"}
# Refused before or after it was understood, cut off, answered with nonsense.
_ERRORS = (
    *("400", "429-retry-60", "500", "503", "504", "reset"),
    *("cut-stream-after-3", "sse-error-after-2", "close-before-done", "malformed-json"),
)
_HANG_UPS = (
    HangUp(after_chunks=3, reset=True),
    HangUp(after_chunks=3),
    HangUp(after_s=0.03, reset=True),
    HangUp(after_s=0.1),
)


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of it, for how long, and what a time-out is.

    slow: what the simulator does to those that time out. A first byte has a minute: the
    short form has the provider say that it timed out. timed_out: what clients get then.
    """

    per_second: float
    calls: int
    kills: int
    most_s: float
    slow: str
    timed_out: int


_SHORT = Mix(per_second=80, calls=200, kills=1, most_s=30, slow="408", timed_out=502)
_LONG = Mix(
    per_second=350,
    calls=100_000,
    kills=3,
    most_s=310,
    slow="slow-first-byte-90",
    timed_out=504,
)
# 5 % of them wait for a minute.
_MOST_UNDER_WAY = 1200


def test_no_money_stays_set_aside_whatever_goes_wrong(
    staged: ChaosInstallation, random: Random, figures: Figures
):
    mix = _LONG if figures.judged else _SHORT
    caller = staged.caller()
    staged.budget(limit_usd="1000000", team=caller.team)
    staged.budget(limit_usd="1000000", agent=caller.agent, period="total")
    calls = mixed(random, _shares(staged, caller, mix))

    load = OpenLoad(
        calls,
        ports=staged.ports,
        per_second=mix.per_second,
        most_under_way=_MOST_UNDER_WAY,
    )

    with staged.watching_holds() as holds:
        with load:
            _kill_now_and_then(staged, load, mix)
        if not figures.judged:
            staged.let_a_minute_pass()
        staged.wait_until_settled()
    verdict = staged.verify()

    count, rate = len(load.outcomes), load.calls_per_second
    how = f"{count:,} calls at {rate:.0f}/s; {_told(load)}"
    figures.measure(promises.LEAKED, float(verdict.reserved_usd), how)
    figures.measure(promises.LEASE, holds.oldest_s, "a first byte has 60 s")
    verdict.assert_sound(estimates=figures.judged)
    assert verdict.reserved_usd == 0
    assert verdict.held == []
    assert verdict.unknown
    _assert_felt(staged, load, mix)


def _assert_felt(staged: ChaosInstallation, load: OpenLoad, mix: Mix) -> None:
    """Fail unless each kind of fault was really there."""
    kinds = {(it.request.kind, it.end, it.status) for it in load.outcomes}
    assert ("slow", "whole", mix.timed_out) in kinds
    assert load.ended["hung_up"] > 0.05 * mix.calls
    assert load.ended["closed"] > mix.kills
    assert len(staged.journal_lines("refused")) > 0.1 * mix.calls
    assert any(entry.client_gone for entry in staged.simulator.journal())


def _shares(
    staged: ChaosInstallation, caller: Caller, mix: Mix
) -> dict[Callable[[], Request], float]:
    """Return the kinds of calls, and how often each comes: 45 % of them go well."""
    well = staged.model("sim-chunks-8-gap-10", **_PRICES)
    # At the pace of a model: what it says while a starving process looks away is small.
    talker = staged.model("sim-chunks-40-gap-50-usage-20-80", **_PRICES)
    slow = staged.model(f"sim-{mix.slow}-tag-slow", **_PRICES)
    errors = [staged.model(f"sim-{word}-tag-error", **_PRICES) for word in _ERRORS]
    staged.keep_asking(slow, *errors)

    def call(
        model: str, kind: str, stream: bool, plan: HangUp | None = None
    ) -> Callable[[], Request]:
        return chat(
            model,
            caller.key,
            stream=stream,
            kind=kind,
            hangs_up=plan,
            patience_s=150,
        )

    both = (True, False)
    return {
        **{call(well, "well", stream): 0.45 / 2 for stream in both},
        **{
            call(model, "error", stream): 0.3 / len(errors) / 2
            for model in errors
            for stream in both
        },
        **{
            call(talker, "gone", True, plan): 0.2 / len(_HANG_UPS) for plan in _HANG_UPS
        },
        call(slow, "slow", True): 0.05,
    }


def _kill_now_and_then(staged: ChaosInstallation, load: OpenLoad, mix: Mix) -> None:
    began = time.monotonic()
    for number in range(1, mix.kills + 1):
        part = number / (mix.kills + 1)
        load.wait_for(int(mix.calls * part), until=began + mix.most_s * part)
        web = staged.webs[number % len(staged.webs)]
        load.wait_for_calls_at(web.port)
        web.kill()
        web.start()
    load.wait_for(mix.calls, until=began + mix.most_s)
    load.stop()


def _told(load: OpenLoad) -> str:
    """Say how the calls ended."""
    return ", ".join(f"{count:,} {end}" for end, count in load.ended.most_common())
