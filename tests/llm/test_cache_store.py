"""Answers given again: the same ones, young enough, and never at the price of waiting."""

import time
import tracemalloc

import orjson

from devora_ops.common.redis_line import RedisLine
from llm.gateway.cache_store import CacheStore
from tests.llm.entries import entry
from tests.own_redis import DEADLINE_S, OwnRedis, comes_up, goes_down


async def test_another_process_finds_it_in_redis(line: RedisLine):
    made = entry()
    CacheStore(line).put("key", made)

    assert await CacheStore(line).get("key") == made


async def test_this_process_does_not_ask_redis_again(
    line: RedisLine, own_redis: OwnRedis
):
    store = CacheStore(line)
    made = entry()
    store.put("near", made)
    own_redis.halt()
    await goes_down(line)

    assert await store.get("near") is made
    assert await store.get("far") is None


async def test_what_was_read_from_redis_stays_near(
    line: RedisLine, own_redis: OwnRedis
):
    CacheStore(line).put("key", entry())
    store = CacheStore(line)
    await store.get("key")
    own_redis.ask("FLUSHALL")

    assert await store.get("key") is not None
    assert await CacheStore(line).get("key") is None


async def test_an_answer_expires_in_both_places(line: RedisLine, own_redis: OwnRedis):
    now = time.time()
    store = CacheStore(line, clock=lambda: now)
    store.put("key", entry(ttl_s=30))
    far = await CacheStore(line).get("key")

    ttl_ms = own_redis.ask("PTTL", "devora:cache:key")
    assert isinstance(ttl_ms, int)
    assert 25_000 < ttl_ms <= 30_050  # their clocks differ
    assert far is not None
    now += 31
    assert await store.get("key") is None
    store.put("late", far)
    assert await line.call("EXISTS", "devora:cache:late") == 0


async def test_an_answer_that_is_too_old_for_one_serves_another(line: RedisLine):
    store = CacheStore(line)
    store.put("key", entry(age_s=10))

    assert await store.get("key", max_age_s=5) is None
    assert await store.get("key", max_age_s=20) is not None
    assert await store.get("key") is not None


async def test_a_younger_one_of_another_process_is_found(line: RedisLine):
    store = CacheStore(line)
    store.put("key", entry(b"old", age_s=10))
    CacheStore(line).put("key", entry(b"new"))

    found = await store.get("key", max_age_s=5)
    assert found is not None
    assert found.body == b"new"


async def test_nothing_waits_for_a_redis_that_stands_still(
    line: RedisLine, own_redis: OwnRedis
):
    store = CacheStore(line)
    own_redis.pause()
    began = time.monotonic()
    for number in range(100):
        store.put(f"{number}", entry())
    assert time.monotonic() - began < 50 * DEADLINE_S

    assert await store.get("other") is None
    began = time.monotonic()
    for _ in range(100):
        assert await store.get("other") is None
    assert time.monotonic() - began < 50 * DEADLINE_S
    own_redis.resume()
    await comes_up(line)


async def test_a_value_of_another_making_is_a_miss(line: RedisLine):
    await line.call("SET", "devora:cache:key", b"\x80\x04pickled?")
    await line.call("RPUSH", "devora:cache:list", "a")

    assert await CacheStore(line).get("key") is None
    assert await CacheStore(line).get("list") is None


async def test_a_huge_answer_does_not_go_over_the_line(line: RedisLine):
    store = CacheStore(line)
    store.put("huge", entry(b"x" * (2 << 20)))

    assert await store.get("huge") is not None
    assert await line.call("EXISTS", "devora:cache:huge") == 0


async def test_answers_that_orjson_wrote_take_no_more_memory_than_is_counted(
    line: RedisLine, own_redis: OwnRedis
):
    store = CacheStore(line)
    own_redis.halt()
    await goes_down(line)

    tracemalloc.start()
    for number in range(2000):
        body = orjson.dumps({"content": "x" * 1000})
        store.keep(f"{number:064}", body, ttl_s=60, model="openai/gpt-5.2")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(body) * 2000 < taken < 2 * len(body) * 2000
    kept = await store.get(f"{0:064}")
    assert kept is not None
    assert kept.body == body
