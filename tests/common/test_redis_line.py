"""The data plane's line to Redis: fast while it is there, out of the way while not."""

import asyncio
import time

import pytest
import uvloop

from devora_ops.common.redis_line import RedisDown, RedisLine, RedisRefused
from tests.own_redis import DEADLINE_S, OwnRedis, comes_up, goes_down, until


async def test_replies_reach_those_who_asked(line: RedisLine):
    replies = await asyncio.gather(
        *(line.call("ECHO", f"{number}") for number in range(2000))
    )

    assert replies == [b"%d" % number for number in range(2000)]


async def test_replies_of_every_kind_arrive(line: RedisLine):
    await line.call("RPUSH", "list", "a", b"\x00\xff", 3, 1.5)

    assert await line.call("LRANGE", "list", 0, -1) == [b"a", b"\x00\xff", b"3", b"1.5"]
    assert await line.call("GET", "nothing") is None
    assert await line.call("INCR", "number") == 1
    assert await line.call("SET", "big", b"x" * 3_000_000) == b"OK"
    assert len(await line.call("GET", "big")) == 3_000_000


async def test_an_error_of_redis_is_of_the_one_command(line: RedisLine):
    before = line.call("SET", "text", "a")
    wrong = line.call("INCR", "text")
    after = line.call("GET", "text")

    with pytest.raises(RedisRefused) as refused:
        await wrong
    assert refused.value.code == "ERR"
    assert (await before, await after) == (b"OK", b"a")


async def test_a_caller_that_gives_up_leaves_the_others_their_replies(line: RedisLine):
    calls = [line.call("ECHO", f"{number}") for number in range(10)]
    calls[3].cancel()

    replies = await asyncio.gather(*calls[:3], *calls[4:])

    assert replies == [b"%d" % number for number in range(10) if number != 3]


async def test_the_database_of_the_url_is_used(own_redis: OwnRedis):
    line = RedisLine(own_redis.url.removesuffix("/0") + "/3")
    await line.start()
    await line.call("SET", "here", "1")
    await line.stop()

    assert own_redis.ask("EXISTS", "here") == 0
    assert b"db3" in bytes(str(own_redis.ask("INFO", "keyspace")), "utf-8")


async def test_a_user_of_an_access_list_may_connect(own_redis: OwnRedis):
    own_redis.ask("ACL", "SETUSER", "gate", "on", ">p:w/ä", "~devora:*", "+@all")
    line = RedisLine(f"redis://gate:p%3Aw%2F%C3%A4@127.0.0.1:{own_redis.port}/0")
    await line.start()

    assert await line.call("ACL", "WHOAMI") == b"gate"
    await line.stop()


async def test_a_wrong_password_is_said_once_and_without_it(
    own_redis: OwnRedis, caplog: pytest.LogCaptureFixture
):
    line = RedisLine(f"redis://:guessed-secret@127.0.0.1:{own_redis.port}/0")
    await line.start()
    await asyncio.sleep(0.5)

    with pytest.raises(RedisDown, match="WRONGPASS"):
        await line.call("PING")
    assert len(caplog.records) == 1
    assert "guessed-secret" not in caplog.text
    await line.stop()


def test_a_busy_loop_does_not_lose_the_line(own_redis: OwnRedis):
    async def stand_still() -> None:
        line = RedisLine(own_redis.url, timeout_s=DEADLINE_S)
        await line.start()
        for ticks in range(3):
            asked = line.call("PING")
            for _ in range(ticks):
                await asyncio.sleep(0)
            time.sleep(DEADLINE_S * 1.5)  # noqa: ASYNC251
            assert await asked == b"PONG"
        assert line.returned_at is None
        await line.stop()

    asyncio.run(stand_still())
    uvloop.run(stand_still())


async def test_what_was_told_has_arrived_when_the_line_stops(own_redis: OwnRedis):
    line = RedisLine(own_redis.url)
    await line.start()
    for number in range(500):
        assert line.tell("RPUSH", "told", number)
    await line.stop()

    assert own_redis.ask("LLEN", "told") == 500
    with pytest.raises(RedisDown, match="stopped"):
        await line.call("PING")


async def test_a_script_is_loaded_when_redis_does_not_know_it(
    line: RedisLine, own_redis: OwnRedis
):
    script = line.script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")

    assert await script.run(["a"], ["x"]) == [b"a", b"x", 1]
    own_redis.ask("SCRIPT", "FLUSH")
    assert await script.run(["a"], [2]) == [b"a", b"2", 2]
    own_redis.ask("SCRIPT", "FLUSH")
    script.tell(["a"], [2])
    await until(lambda: own_redis.ask("GET", "a") == b"3")

    own_redis.halt()
    await goes_down(line)
    with pytest.raises(RedisDown):
        await script.run(["a"], [2])
    script.tell(["a"], [2])
    own_redis.restart()
    await comes_up(line)
    assert await script.run(["a"], [2]) == [b"a", b"2", 1]


async def test_a_script_that_fails_says_so(line: RedisLine):
    with pytest.raises(RedisRefused, match="Unknown"):
        await line.script("return redis.call('nonsense')").run([], [])


async def test_a_server_that_is_not_redis_is_away():
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = RedisLine(f"redis://127.0.0.1:{port}")
    await line.start()

    assert not line.is_up
    await line.stop()
    server.close()
    await server.wait_closed()
