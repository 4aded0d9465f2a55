"""Limits of keys and agents: shared by processes, atomic, and kept without Redis."""

import asyncio
import time

import pytest

from devora_ops.common.errors import DevoraError, RateLimited
from llm.gateway.limits import Limit
from tests.llm.limiters import Make, admit, admitted
from tests.own_redis import DEADLINE_S, OwnRedis, until


async def test_requests_beyond_the_limit_are_refused_with_a_reason(make: Make):
    limiter, limit = await make(), Limit(requests_per_minute=3)
    for left in (2, 1, 0):
        assert (await admit(limiter, limit)).remaining_requests == left

    with pytest.raises(RateLimited) as refused:
        await admit(limiter, limit)

    error = refused.value
    assert isinstance(error, DevoraError)
    assert (error.status, error.code) == (429, "rate_limited")
    assert 55 <= int(error.headers["Retry-After"]) <= 61
    assert "limit of 3 requests per minute of `key:a`" in error.message
    assert error.extra["limit_value"] == 3


async def test_two_processes_share_a_limit(make: Make):
    one, two, limit = await make(), await make(), Limit(requests_per_minute=50)

    counts = await asyncio.gather(admitted(one, limit, 200), admitted(two, limit, 200))

    assert sum(counts) == 50


async def test_all_the_buckets_have_room_or_none_is_taken_from(make: Make):
    limiter = await make()
    wide, narrow = Limit(requests_per_minute=100), Limit(requests_per_minute=1)
    both = [("agent:wide", wide), ("key:narrow", narrow)]
    await limiter.admit(both, tokens=1, owner="first")

    for _ in range(10):
        with pytest.raises(RateLimited, match="key:narrow"):
            await limiter.admit(both, tokens=1, owner="refused")

    admission = await admit(limiter, wide, bucket="agent:wide")
    assert admission.remaining_requests == 98


async def test_tokens_are_set_aside_and_corrected(make: Make):
    one, two, limit = await make(), await make(), Limit(tokens_per_minute=100)
    first = await admit(one, limit, tokens=60)
    with pytest.raises(RateLimited, match="100 tokens per minute"):
        await admit(two, limit, tokens=60)

    first.done(20)
    first.done(0)  # only the first time counts
    await asyncio.sleep(0.1)

    assert (await admit(two, limit, tokens=60)).remaining_tokens == 20


async def test_tokens_beyond_the_estimate_count_too(make: Make):
    limiter, limit = await make(), Limit(tokens_per_minute=100)
    (await admit(limiter, limit, tokens=10)).done(150)

    with pytest.raises(RateLimited, match="tokens"):
        await admit(limiter, limit, tokens=1)


async def test_a_call_dearer_than_a_minute_waits_for_an_empty_one(make: Make):
    limiter, limit = await make(), Limit(tokens_per_minute=100)

    first = await admit(limiter, limit, tokens=5000)
    with pytest.raises(RateLimited):
        await admit(limiter, limit, tokens=1)
    first.done(0)
    assert (await admit(limiter, limit, tokens=1)).remaining_tokens == 99


async def test_calls_at_once_are_limited_until_they_end(make: Make):
    one, two, limit = await make(), await make(), Limit(concurrent=2)
    first, _ = await admit(one, limit), await admit(two, limit)
    with pytest.raises(RateLimited, match="2 concurrent requests") as refused:
        await admit(one, limit)
    assert refused.value.headers["Retry-After"] == "1"

    first.done(5)
    await asyncio.sleep(0.05)

    assert await admitted(two, limit, 10) == 1


async def test_the_places_of_a_process_that_died_become_free(make: Make):
    died, alive = await make(lease_s=0.6), await make(lease_s=0.6)
    limit = Limit(concurrent=1)
    await admit(died, limit)
    await died.stop()  # it renews no more
    with pytest.raises(RateLimited):
        await admit(alive, limit)

    await asyncio.sleep(0.7)

    await admit(alive, limit)


async def test_the_place_of_a_long_call_stays_taken(make: Make):
    one, two = await make(lease_s=0.6), await make(lease_s=0.6)
    limit = Limit(concurrent=1)
    await admit(one, limit)

    await asyncio.sleep(1.2)

    assert await admitted(two, limit, 5) == 0


async def test_a_caller_that_hangs_up_while_it_is_admitted_leaves_no_place(make: Make):
    limiter, limit = await make(), Limit(concurrent=1)
    hasty = asyncio.create_task(admit(limiter, limit))
    await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.wait([hasty])

    assert hasty.cancelled()
    assert await admitted(limiter, limit, 5) == 1


async def test_a_call_that_fails_before_it_is_admitted_uses_no_tokens(make: Make):
    limiter = await make()
    limit = Limit(tokens_per_minute=100, concurrent=1)
    for number in range(3):
        hasty = limiter.ask([("key:a", limit)], tokens=90, owner=f"hasty {number}")
        hasty.done(0)
        assert hasty.question is not None
        assert await hasty.question.sent

    assert (await admit(limiter, limit, tokens=90)).remaining_tokens == 10


async def test_no_limit_costs_no_question(make: Make, own_redis: OwnRedis):
    limiter = await make()
    own_redis.pause()
    began = time.monotonic()

    for _ in range(100):
        (await limiter.admit([], tokens=1, owner="x")).done(7)

    assert time.monotonic() - began < 50 * DEADLINE_S


async def test_every_key_has_a_time_to_live(make: Make, own_redis: OwnRedis):
    limiter = await make()
    admission = await admit(limiter, Limit(9, 900, 9))
    keys = own_redis.ask("KEYS", "devora:limit:*")

    assert isinstance(keys, list)
    assert len(keys) == 2
    assert all(0 < own_redis.ask("TTL", key) <= 62 for key in keys)  # type: ignore[operator]
    admission.done(1000)
    await until(lambda: len(own_redis.ask("KEYS", "devora:limit:*")) == 1)  # type: ignore[arg-type]


async def test_a_limit_of_zero_admits_nobody(make: Make):
    limiter = await make()

    for limit in (Limit(0), Limit(None, 0), Limit(None, None, 0)):
        assert await admitted(limiter, limit, 3) == 0


async def test_a_limit_that_was_lowered_counts_what_came_before(make: Make):
    limiter = await make()
    assert await admitted(limiter, Limit(10), 10) == 10

    assert await admitted(limiter, Limit(5), 5) == 0
    assert await admitted(limiter, Limit(12), 5) == 2
