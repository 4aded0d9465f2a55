"""Limits hold while Redis is away, while it goes and when it is back."""

import asyncio
import time

import pytest

from llm.gateway.limits import Limit
from tests.llm.limiters import Make, admit, admitted
from tests.own_redis import DEADLINE_S, OwnRedis, comes_up, goes_down


@pytest.mark.parametrize("processes", [1, 2, 4])
async def test_without_redis_each_process_admits_its_share(
    make: Make, own_redis: OwnRedis, processes: int
):
    limiters = [await make(processes=processes) for _ in range(processes)]
    own_redis.halt()
    await asyncio.gather(*(goes_down(each.line) for each in limiters))

    for limit in (Limit(40), Limit(None, 400), Limit(None, None, 40)):
        counts = await asyncio.gather(
            *(admitted(each, limit, 60, bucket=f"{limit}") for each in limiters)
        )
        assert counts == [40 // processes] * processes


async def test_a_redis_that_goes_away_does_not_open_the_gates(
    make: Make, own_redis: OwnRedis
):
    one, two, limit = await make(processes=2), await make(processes=2), Limit(40)
    before = await admitted(one, limit, 34) + await admitted(two, limit, 2)
    own_redis.pause()

    after = await asyncio.gather(admitted(one, limit, 60), admitted(two, limit, 60))

    assert before == 36
    assert 36 <= before + sum(after) <= 50


async def test_a_redis_that_forgot_everything_does_not_open_the_gates(
    make: Make, own_redis: OwnRedis
):
    limiters, limit = [await make(processes=2) for _ in range(2)], Limit(40)
    counts = [await admitted(each, limit, 15) for each in limiters]
    own_redis.halt()
    for each in limiters:
        await goes_down(each.line)
    counts += [await admitted(each, limit, 3) for each in limiters]
    own_redis.restart()
    for each in limiters:
        await comes_up(each.line)
    counts += [await admitted(each, limit, 60) for each in limiters]

    assert sum(counts) == 40


async def test_places_taken_without_redis_are_known_to_it_later(
    make: Make, own_redis: OwnRedis
):
    one, two = await make(lease_s=0.6), await make(lease_s=0.6)
    limit = Limit(concurrent=1)
    own_redis.halt()
    await goes_down(one.line)
    running = await admit(one, limit)
    own_redis.restart()
    await comes_up(one.line)
    await comes_up(two.line)
    await asyncio.sleep(0.3)

    assert await admitted(two, limit, 3) == 0
    running.done(1)
    await asyncio.sleep(0.1)
    assert await admitted(two, limit, 3) == 1


async def test_a_paused_redis_delays_a_call_once(make: Make, own_redis: OwnRedis):
    limiter, limit = await make(), Limit(1000)
    own_redis.pause()
    began = time.monotonic()
    await admit(limiter, limit)
    first_s = time.monotonic() - began
    began = time.monotonic()
    for _ in range(100):
        await admit(limiter, limit)

    assert DEADLINE_S <= first_s < DEADLINE_S + 5
    assert time.monotonic() - began < 50 * DEADLINE_S
