"""A Redis that pauses, stops and forgets: calls fail at once, and it is found again."""

import asyncio
import logging
import time

import pytest

from devora_ops.common.redis_line import RedisDown, RedisLine
from tests.own_redis import DEADLINE_S, OwnRedis, comes_up, goes_down

SOON_S = DEADLINE_S + 5  # other processes share this processor


async def test_a_paused_redis_delays_a_caller_once(
    line: RedisLine, own_redis: OwnRedis
):
    own_redis.pause()
    began = time.monotonic()
    waiting = [line.call("PING") for _ in range(100)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    first_s = time.monotonic() - began

    waited = 0
    for _ in range(200):
        began = time.monotonic()
        with pytest.raises(RedisDown):
            await line.call("PING")
        waited += time.monotonic() - began >= DEADLINE_S
        await asyncio.sleep(0.01)

    assert all(isinstance(answer, RedisDown) for answer in answers)
    assert DEADLINE_S <= first_s < SOON_S
    assert waited < 20  # others may have the processor now and then

    own_redis.resume()
    await comes_up(line)
    assert await line.call("PING") == b"PONG"


async def test_a_redis_that_is_paused_for_writes_is_away_altogether(
    line: RedisLine, own_redis: OwnRedis
):
    own_redis.ask("CLIENT", "PAUSE", 1200, "WRITE")
    with pytest.raises(RedisDown):
        await line.call("SET", "a", 1)

    for _ in range(60):
        assert not line.is_up  # though it answers PING
        await asyncio.sleep(0.01)

    await comes_up(line)
    assert await line.call("SET", "a", 1) == b"OK"


async def test_a_stopped_redis_fails_what_waits_and_comes_back_empty(
    line: RedisLine, own_redis: OwnRedis
):
    await line.call("SET", "kept", 1)
    own_redis.pause()
    waiting = line.call("GET", "kept")
    own_redis.halt()

    with pytest.raises(RedisDown):
        await waiting
    await goes_down(line)
    assert line.returned_at is None

    own_redis.restart()
    await comes_up(line)
    assert await line.call("GET", "kept") is None
    assert line.returned_at is not None


async def test_a_silent_line_that_died_is_noticed_before_a_caller_does(
    line: RedisLine, own_redis: OwnRedis
):
    own_redis.pause()

    await goes_down(line)


async def test_it_starts_without_redis_and_finds_it_later(own_redis: OwnRedis):
    own_redis.halt()
    line = RedisLine(own_redis.url, timeout_s=DEADLINE_S)
    began = time.monotonic()
    await line.start()

    assert time.monotonic() - began < 10
    assert not line.tell("SET", "a", 1)
    with pytest.raises(OSError, match="away"):
        await line.call("PING")

    own_redis.restart()
    await comes_up(line)
    await line.stop()


async def test_each_change_of_state_is_one_line_of_the_log(
    line: RedisLine, own_redis: OwnRedis, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, logger="[Redis]")
    own_redis.halt()
    await goes_down(line)
    for _ in range(1000):
        line.tell("SET", "a", 1)
        line.call("GET", "a")  # nobody awaits it, and nobody is warned of that
    await asyncio.sleep(1)
    own_redis.restart()
    await comes_up(line)

    said = [record.getMessage() for record in caplog.records]
    assert len([each for each in said if "away" in each]) == 1
    assert len([each for each in said if "back" in each]) == 1
