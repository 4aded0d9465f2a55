"""Clients that go away at every point of a call: the provider is stopped, billed once."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from devora_ops.simulator.journal import Entry
from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import AT_ONCE, OpenLoad
from tests.chaos.requests import HangUp, Request, chat
from tests.provisioning import Caller, wait_until

_CHUNKS = 60
_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
_ROUNDS = 28  # of the long form: 1,008 clients
_PRICES = {"input": "0.000001", "output": "0.00001"}


@dataclass(frozen=True, slots=True)
class Point:
    """Where in a call its client goes. word: of the simulator, which waits there."""

    word: str
    chunks: int = 0
    stream: bool = True


_POINTS = (
    Point("hold"),
    Point("hold-after-1", chunks=1),
    Point("hold-after-5", chunks=5),
    Point("hold-after-50", chunks=50),
    Point(f"hold-after-{_CHUNKS}", chunks=_CHUNKS),  # all but the end
    Point("hold", stream=False),
)
_PROVIDERS = ("openai", "anthropic", "openrouter")
_CELLS = tuple(itertools.product(_PROVIDERS, _POINTS, (False, True)))


def test_a_provider_is_stopped_wherever_its_client_goes(
    staged: ChaosInstallation, figures: Figures
):
    caller = staged.caller()
    calls = [_call(staged, caller, *cell) for cell in _CELLS]
    lags_s: list[float] = []
    for _ in range(_ROUNDS if figures.judged else 1):
        lags_s += _all_hang_up(staged, [make() for make in calls])

    staged.wait_until_settled()
    verdict = staged.verify()
    rows = verdict.of(caller.agent).exported
    in_time = sum(lag_s <= promises.CLOSE_WITHIN_S for lag_s in lags_s)
    how = f"{len(rows):,} clients, {len(_CELLS)} kinds; slowest {max(lags_s):.2f} s"
    figures.measure(promises.CLOSED, in_time / len(rows) * 100, how)
    verdict.assert_sound()
    assert len(rows) == len(lags_s)
    assert all(row.estimated for row in rows)
    # Who has heard something pays for that, estimated; of the others nobody knows what
    # was billed, so they are charged the worst case.
    heard = sum(point.chunks > 0 for _, point, _ in _CELLS) * len(rows) / len(_CELLS)
    partly = len(verdict.of(caller.agent).estimated) / heard
    figures.measure(promises.PARTLY_BILLED, partly * 100)
    assert partly == 1
    assert len(verdict.of(caller.agent).unknown) == len(rows) - heard


def test_a_client_that_goes_at_the_end_pays_exactly_what_was_billed(
    staged: ChaosInstallation, figures: Figures
):
    caller = staged.caller()
    kinds = itertools.product(_PROVIDERS, (True, False), (False, True))
    makers = [
        _call(
            staged,
            caller,
            provider,
            Point("tag-end", stream=stream),
            reset,
            at_end=True,
        )
        for provider, stream, reset in kinds
    ]
    calls = [make() for make in makers * (_ROUNDS if figures.judged else 1)]

    with _load(staged, calls) as load:
        pass

    assert load.ended == {"whole": len(calls)}
    staged.wait_until_settled()
    verdict = staged.verify()
    verdict.assert_sound()
    rows = verdict.of(caller.agent).exported
    assert len(rows) == len(calls)
    assert {(row.state, row.estimated) for row in rows} == {("settled", False)}


def _call(
    staged: ChaosInstallation,
    caller: Caller,
    provider: str,
    point: Point,
    reset: bool,
    *,
    at_end: bool = False,
) -> Callable[[], Request]:
    """Return what makes one cell's calls."""
    name = f"sim-chunks-{_CHUNKS}-usage-40-600-{point.word}"
    model = staged.model(name, provider=provider, **_PRICES)
    return chat(
        model,
        caller.key,
        stream=point.stream,
        kind=str(point.chunks),
        hangs_up=HangUp(reset=reset, at_end=at_end),
        path=_PATHS.get(provider, _PATHS["openai"]),
        max_tokens=2000,
    )


def _all_hang_up(staged: ChaosInstallation, calls: Sequence[Request]) -> list[float]:
    """Have every client go while its answer is held; return when that was seen, in s."""
    before = len(_gone(staged))
    with _load(staged, calls) as load:
        staged.simulator.wait_for(lambda state: state["waiting"] == len(calls))
        wait_until(lambda: all(map(_has_heard, list(load.under_way))))
        went = datetime.fromtimestamp(load.hang_up(), UTC)
    staged.simulator.wait_for(lambda state: state["waiting"] == 0)
    assert load.ended == {"hung_up": len(calls)}
    return [
        (entry.client_gone_at - went).total_seconds()
        for entry in _gone(staged)[before:]
        if entry.client_gone_at
    ]


def _has_heard(outcome: Outcome) -> bool:
    """Say whether a client has got all that the simulator sends before it waits."""
    return outcome.chunks >= int(outcome.request.kind)


def _load(staged: ChaosInstallation, calls: Sequence[Request]) -> OpenLoad:
    return OpenLoad(
        iter(calls), ports=staged.ports, per_second=AT_ONCE, count=len(calls)
    )


def _gone(staged: ChaosInstallation) -> list[Entry]:
    return [entry for entry in staged.simulator.journal() if entry.client_gone]
