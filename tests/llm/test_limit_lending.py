"""Busy processes are lent what limits have plenty of, and no limit is exceeded by it."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from devora_ops.common.errors import RateLimited
from llm.gateway.limits import Limit
from tests.llm.limiters import Make, Web, admit, admitted
from tests.own_redis import OwnRedis, goes_down, until

PLENTY = Limit(requests_per_minute=100_000, tokens_per_minute=10**7, concurrent=1000)


async def busy(limiter: Web, limit: Limit, calls: int, *, used: int = 10) -> int:
    """Run calls one after the other; return how many were admitted."""
    done = 0
    for _ in range(calls):
        with suppress(RateLimited):
            (await admit(limiter, limit)).done(used)
            done += 1
    return done


def scripts_run(own_redis: OwnRedis) -> int:
    """Return how many scripts Redis has run."""
    told: Any = own_redis.ask("INFO", "commandstats")
    return int(told.get("cmdstat_evalsha", {}).get("calls", 0))


def running(own_redis: OwnRedis) -> Any:
    return own_redis.ask("ZCARD", "devora:limit:key:a:leases")


async def test_a_busy_process_asks_for_few_of_its_calls(
    make: Make, own_redis: OwnRedis
):
    limiter = await make()
    before = scripts_run(own_redis)

    assert await busy(limiter, PLENTY, 2000) == 2000

    assert scripts_run(own_redis) - before < 500


@pytest.mark.parametrize("limit", [Limit(700), Limit(None, 7000)])
async def test_processes_that_are_lent_to_never_exceed_the_limit(
    make: Make, limit: Limit
):
    limiters = [await make(), await make(), await make()]

    counts = await asyncio.gather(*(busy(each, limit, 400) for each in limiters))

    assert 650 <= sum(counts) <= 700
    assert min(counts) > 100


async def test_what_nobody_used_can_be_used_by_others(make: Make):
    one, two, limit = await make(), await make(), Limit(1000)
    assert await busy(one, limit, 600) == 600

    await asyncio.sleep(2.2)

    assert await busy(two, limit, 500) == 400


async def test_tokens_that_were_used_are_counted(make: Make):
    one, two, limit = await make(), await make(), Limit(None, 100_000)
    assert await busy(one, limit, 500, used=40) == 500

    await asyncio.sleep(2.2)

    admission = await admit(two, limit)
    assert admission.remaining_tokens == 100_000 - 500 * 40 - 10


async def test_what_remains_is_told_to_within_what_is_lent(make: Make):
    limiter, limit = await make(), Limit(10_000, 10**6)

    for number in range(1, 201):
        admission = await admit(limiter, limit)
        assert admission.remaining_requests is not None
        assert admission.remaining_tokens is not None
        assert 0 <= 10_000 - number - admission.remaining_requests <= 25
        assert 0 <= 10**6 - 10 * number - admission.remaining_tokens <= 250
        admission.done(10)


async def test_calls_at_once_are_limited_however_many_are_lent(make: Make):
    one, two, limit = await make(), await make(), Limit(100_000, None, 40)
    most = 0
    going: set[int] = set()

    async def calls(limiter: Web, caller: int) -> None:
        nonlocal most
        for _ in range(60):
            with suppress(RateLimited):
                admission = await admit(limiter, limit)
                going.add(caller)
                most = max(most, len(going))
                await asyncio.sleep(0.001)
                going.discard(caller)
                admission.done(10)

    await asyncio.gather(*(calls([one, two][i % 2], i) for i in range(60)))

    assert 30 <= most <= 40


async def test_idle_places_are_no_more_than_calls_ran_and_become_free(
    make: Make, own_redis: OwnRedis
):
    one, two, limit = await make(), await make(), Limit(100_000, None, 200)

    await asyncio.gather(*(busy(one, limit, 300) for _ in range(4)))

    assert running(own_redis) <= 4
    await until(lambda: running(own_redis) == 0)
    assert await admitted(two, limit, 300) == 200


async def test_a_stopping_process_gives_back_what_it_was_lent(make: Make):
    one, two, limit = await make(), await make(), Limit(1000, None, 100)
    assert await busy(one, limit, 600) == 600

    await one.stop()
    await one.line.call("PING")

    assert await busy(two, limit, 500) == 400
    assert await admitted(two, Limit(None, None, 100), 120) == 100


async def test_without_redis_what_was_lent_is_lent_no_longer(
    make: Make, own_redis: OwnRedis
):
    limiter, limit = await make(processes=2), Limit(1000, None, 100)
    assert await busy(limiter, limit, 400) == 400
    own_redis.halt()
    await goes_down(limiter.line)

    assert await busy(limiter, limit, 200) == 100
    assert await admitted(limiter, Limit(None, None, 100), 120) == 50


async def test_a_call_longer_than_a_second_is_corrected_where_it_was_counted(
    make: Make,
):
    limiter, limit = await make(), Limit(None, 100_000)
    await busy(limiter, limit, 100)
    long = await admit(limiter, limit, tokens=50)
    assert long.lent is not None

    await asyncio.sleep(2.2)
    long.done(2000)
    await asyncio.sleep(0.1)

    left = 100_000 - 100 * 10 - 2000
    assert (await admit(limiter, limit)).remaining_tokens == left - 10
