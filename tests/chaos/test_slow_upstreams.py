"""Providers that hang, fall silent, or send in pieces: nobody else waits for them."""

import time
from random import Random

import httpx
import pytest

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.hits import hits_of
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.percentiles import p99_ms
from tests.chaos.provide import provide
from tests.chaos.requests import chat, mixed
from tests.llm.cut_calls import WIRES, assert_billed_alike, at_random, cut_calls
from tests.provisioning import wait_until


def test_a_provider_that_hangs_holds_up_nobody_else(
    shared: ChaosInstallation, random: Random, figures: Figures
):
    per_second, seconds, size = (100, 40, 100) if figures.judged else (120, 0.7, 5)
    count = int(per_second * seconds)
    caller = shared.caller()
    (hanging,) = provide(shared, ["hold"], bulkhead_size=size)
    (well,) = provide(shared, ["slow-first-byte-0.1"])
    good = chat(well, caller.key, kind="well")
    bad = chat(hanging, caller.key, kind="hanging", patience_s=120)

    # As many calls, to one provider alone: what is usual here and now.
    with OpenLoad(
        iter(good, None),
        ports=shared.ports,
        per_second=per_second / 2,
        count=count // 2,
    ) as usual:
        pass
    with OpenLoad(
        mixed(random, {good: 0.5, bad: 0.5}),
        ports=shared.ports,
        per_second=per_second,
        count=count,
    ) as load:
        places = size * len(shared.webs)
        shared.simulator.wait_for(
            lambda it: it["waiting"] >= places, model=hanging.partition("/")[2]
        )
        load.wait_for(count - places)
        shared.simulator.release(hanging.partition("/")[2])

    served = [it for it in load.outcomes if it.request.kind == "well"]
    assert {it.status for it in served} == {200}
    assert hits_of(shared, hanging).count == places
    told = [it for it in load.outcomes if it.status == 503]
    assert len(told) == count - len(served) - places > 0
    assert {it.header("Retry-After") for it in told} == {"1"}
    assert all(b"provider_busy" in it.body for it in told)
    if figures.judged:
        how = f"{per_second / 2:g}/s to each, {seconds} s, {size} at once a process"
        before = [it for it in usual.outcomes if it.request.kind == "well"]
        added = 100 * (p99_ms(served) / p99_ms(before) - 1)
        figures.measure(promises.HELD_UP, added, how)
        figures.measure(promises.BUSY_MS, p99_ms(told), how)
        figures.measure(promises.QUEUED, hits_of(shared, hanging).count - places, how)


def test_pieces_change_no_stream(
    shared: ChaosInstallation, random: Random, figures: Figures
):
    if not figures.judged:
        pytest.skip("its short form is tests/llm/test_stream_cuts.py")
    names = list(WIRES)
    wanted = [at_random(random, names[i % len(names)]) for i in range(10_000)]
    caller = shared.caller()
    with cut_calls(shared, shared.webs[0].url) as calls:
        told = calls.run(caller, wanted)

    changed = [it.wanted for it in told if not it.is_true_to_its_bytes]
    assert changed == []
    assert_billed_alike(shared.attempts(caller, count=len(wanted)))
    pieces = calls.upstream.pieces
    how = f"{len(wanted):,} streams in {pieces:,} pieces"
    figures.measure(promises.CUT_STREAMS, len(changed), how)


def test_a_minute_of_silence_is_filled_with_comments(
    shared: ChaosInstallation, figures: Figures
):
    if not figures.judged:
        pytest.skip("a minute is too long for the short form")
    caller = shared.caller()
    (silent,) = provide(shared, ["silence-60-chunks-4"])
    body = {
        "model": silent,
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 50,
        "stream": True,
    }
    heard, told = [time.monotonic()], b""
    with httpx.stream(
        "POST",
        f"{shared.webs[0].url}/v1/chat/completions",
        json=body,
        headers=caller.headers,
        timeout=60,
    ) as answer:
        for piece in answer.iter_raw():
            heard.append(time.monotonic())
            told += piece

    assert heard[-1] - heard[0] >= 60
    assert told.count(b": keep-alive\n\n") >= 3
    assert told.endswith(b"data: [DONE]\n\n")
    gaps = [later - sooner for sooner, later in zip(heard, heard[1:], strict=False)]
    figures.measure(promises.KEEP_ALIVE_S, max(gaps), "60 s between two chunks")
    wait_until(lambda: shared.attempts(caller)[0]["state"] == "settled")
