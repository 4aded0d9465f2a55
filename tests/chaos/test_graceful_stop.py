"""A web process that is asked to stop: what runs ends, what comes is refused."""

import signal
import time
from dataclasses import dataclass

import httpx

from devora_ops import children
from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import AT_ONCE, OpenLoad
from tests.chaos.requests import Request, chat
from tests.chaos.web_process import WebProcess
from tests.provisioning import Caller, wait_until

_PRICES = {"input": "0.000001", "output": "0.00001"}


@dataclass(frozen=True, slots=True)
class Stop:
    """What runs when it comes: streams that end in time, and some that do not."""

    streams: int
    word: str
    endless: int = 0


_SHORT = Stop(streams=10, word="hold-after-3")
_LONG = Stop(streams=100, word="gap-950", endless=5)  # 50 chunks: 47 s


def test_open_streams_end_and_new_calls_are_refused_when_a_process_stops(
    staged: ChaosInstallation, figures: Figures
):
    stop = _LONG if figures.judged else _SHORT
    web, other = staged.webs
    caller = staged.caller()
    with _load(web, _streams(staged, caller, stop)) as load:
        wait_until(lambda: _all_have_begun(load, stop))
        began = time.monotonic()
        web.terminate()
        wait_until(lambda: not _takes_calls(web, caller))
        refused_s = time.monotonic() - began
        assert web.is_alive  # for the sake of the streams
        assert _takes_calls(other, caller)
        staged.simulator.release()
        wait_until(lambda: web.exit_code is not None, within_s=90)
        ended_s = time.monotonic() - began

    assert web.exit_code in {0, -signal.SIGTERM}  # by itself, not killed
    verdict = staged.verify()
    web.start()
    whole = load.ended["whole"]
    figures.measure(
        promises.ENDED, whole / stop.streams * 100, f"{stop.streams} streams"
    )
    figures.measure(promises.STOP_REFUSES, refused_s)
    figures.measure(promises.STOPPED, ended_s, f"{stop.endless} streams go on for ever")
    # Nobody had to sweep: it has written everything before it ended.
    unsettled = len(verdict.lost) + len(verdict.held) + len(verdict.unknown)
    figures.measure(promises.UNSETTLED, unsettled)
    verdict.assert_sound()
    assert unsettled == 0
    assert whole == stop.streams
    assert len(verdict.estimated) == load.ended["closed"] == stop.endless


def test_calls_have_the_time_to_end_that_is_promised():
    arguments = children.web_arguments(port=8000, processes=1)
    place = arguments.index("--timeout-graceful-shutdown")
    assert float(arguments[place + 1]) >= promises.STOP_GRACE_S


def _streams(staged: ChaosInstallation, caller: Caller, stop: Stop) -> list[Request]:
    ending = f"sim-chunks-50-usage-40-500-{stop.word}"
    makers = [
        chat(
            staged.model(name, **_PRICES),
            caller.key,
            stream=True,
            max_tokens=1000,
            patience_s=120,
        )
        for name in (ending, "sim-chunks-99-gap-1000-usage-40-990")
    ]
    counts = (stop.streams, stop.endless)
    return [
        make() for make, count in zip(makers, counts, strict=True) for _ in range(count)
    ]


def _load(web: WebProcess, calls: list[Request]) -> OpenLoad:
    return OpenLoad(
        iter(calls), ports=lambda: [web.port], per_second=AT_ONCE, count=len(calls)
    )


def _all_have_begun(load: OpenLoad, stop: Stop) -> bool:
    begun = [outcome for outcome in list(load.under_way) if outcome.chunks]
    return len(begun) == stop.streams + stop.endless


def _takes_calls(web: WebProcess, caller: Caller) -> bool:
    """Say whether a process still takes what comes over a new connection."""
    try:
        answer = httpx.get(f"{web.url}/v1/models", headers=caller.headers)
    except httpx.TransportError:
        return False
    return answer.status_code == 200
