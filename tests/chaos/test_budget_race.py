"""Two hundred calls at once for the last dollar of a budget, through two processes."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import AT_ONCE, OpenLoad
from tests.chaos.requests import Request, chat
from tests.provisioning import Caller

_AT_ONCE, _AT_ONCE_SHORT = 200, 80
_LIMIT = Decimal("1.00")
_WORST, _REAL = Decimal("0.03"), Decimal("0.004")  # of one call, in USD
_ROUNDS, _ROUNDS_NESTED = 25, 50  # of the long form


@dataclass(frozen=True, slots=True)
class Race:
    """Callers under one budget, nested or not, and what they ask for."""

    callers: list[Caller]
    held: str
    quick: str
    size: int

    def asked(self, model: str, count: int) -> list[Request]:
        """Return so many calls, every caller's in turn; each may cost 30 tokens."""
        makers = [chat(model, each.key, max_tokens=30) for each in self.callers]
        return [makers[place % len(makers)]() for place in range(count)]


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_a_budget_is_used_up_and_never_overspent(
    staged: ChaosInstallation, figures: Figures, nested: bool
):
    prices = {"input": "0", "output": "0.001"}
    held = staged.model("sim-usage-10-4-hold", **prices)
    quick = staged.model("sim-usage-10-4", **prices)
    size = _AT_ONCE if figures.judged else _AT_ONCE_SHORT
    rounds = _ROUNDS_NESTED if nested else _ROUNDS
    firsts, used = [], []
    for _ in range(rounds if figures.judged else 1):
        race = Race(_callers(staged, nested=nested), held, quick, size)
        firsts.append(_first_wave(staged, race))
        _later_waves(staged, race)
        _last_calls(staged, race)
        used.append(sum(_used(staged, race).values(), Decimal(0)))

    verdict = staged.verify()
    verdict.assert_sound()
    assert verdict.reserved_usd == 0
    how = f"{len(used)} races, {'nested' if nested else 'one budget'}"
    figures.measure(promises.FIRST_WAVE_LEAST, min(firsts), how)
    figures.measure(promises.FIRST_WAVE_MOST, max(firsts), how)
    figures.measure(promises.OVERSPENT, float(max(used) - _LIMIT), how)
    figures.measure(promises.USED, float(min(used) / _LIMIT * 100), how)
    assert set(firsts) == {_LIMIT // _WORST}
    assert max(used) <= _LIMIT
    assert min(used) > _LIMIT - _WORST


def _callers(staged: ChaosInstallation, *, nested: bool) -> list[Caller]:
    """Make who races: one agent, or two with budgets of their own inside the team's."""
    first = staged.caller()
    staged.budget(limit_usd=str(_LIMIT), team=first.team)
    if not nested:
        return [first]
    second = staged.caller(team=first.team)
    staged.budget(limit_usd="0.60", agent=first.agent, period="day")
    staged.budget(limit_usd="0.60", agent=second.agent, period="week")
    return [first, second]


def _first_wave(staged: ChaosInstallation, race: Race) -> int:
    """Send all at once and hold what is admitted, so that nothing is freed meanwhile."""
    with _load(staged, race.asked(race.held, race.size)) as load:
        held = _LIMIT // _WORST
        load.wait_for(race.size - int(held))
        staged.simulator.wait_for(lambda state: state["waiting"] >= held)
        staged.simulator.release()
    assert set(load.statuses) == {200, 402}
    assert {
        outcome.header("x-should-retry")
        for outcome in load.outcomes
        if outcome.status == 402
    } == {"false"}
    return load.statuses[200]


def _later_waves(staged: ChaosInstallation, race: Race) -> None:
    """Send as many again and again, until a wave finds no room any more."""
    admitted = 1
    while admitted:
        staged.wait_until_settled()
        with _load(staged, race.asked(race.quick, race.size)) as load:
            pass
        admitted = load.statuses[200]
        assert set(load.statuses) <= {200, 402}, load.statuses


def _last_calls(staged: ChaosInstallation, race: Race) -> None:
    """Send one at a time: where there is room for its worst case, none is refused."""
    while sum((used := _used(staged, race)).values()) <= _LIMIT - _WORST:
        thriftiest = min(race.callers, key=lambda caller: used[caller.agent])
        call = chat(race.quick, thriftiest.key, max_tokens=30)()
        with _load(staged, [call]) as load:
            pass
        assert load.statuses == {200: 1}
        staged.wait_until_settled()


def _load(staged: ChaosInstallation, calls: list[Request]) -> OpenLoad:
    return OpenLoad(
        iter(calls), ports=staged.ports, per_second=AT_ONCE, count=len(calls)
    )


def _used(staged: ChaosInstallation, race: Race) -> dict[str, Decimal]:
    """Return what the simulator would bill each of these callers, in USD."""
    verdict = staged.verify()
    return {it.agent: verdict.of(it.agent).billed_usd for it in race.callers}
