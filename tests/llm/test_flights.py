"""Of identical calls at the same time one asks, and nobody waits in vain."""

import asyncio

import pytest

from devora_ops.common.redis_line import RedisLine
from llm.gateway.cache_store import CacheStore, Entry
from llm.gateway.flights import Flights, Follower, Lead
from tests.llm.entries import entry


async def _call(store: CacheStore, asked: list[str], outcome: str) -> Entry | None:
    """Serve a request as the gateway does."""
    flight = store.flights.lead_or_follow("key")
    if isinstance(flight, Follower):
        followed = await flight.entry()
        if followed is not None:
            return followed
        asked.append("alone")
        return None
    with flight:
        found = await store.get("key")
        if found is None:
            asked.append("led")
            await asyncio.sleep(0.05)
            if outcome == "error":
                raise RuntimeError("the provider failed")
            if outcome == "uncacheable":
                return None
            found = entry()
            store.put("key", found)
        flight.land(found)
        return found


async def test_a_hundred_identical_calls_ask_once(line: RedisLine):
    asked: list[str] = []
    store = CacheStore(line)

    answers = await asyncio.gather(*(_call(store, asked, "good") for _ in range(100)))

    assert asked == ["led"]
    assert len(set(answers)) == 1
    await _call(store, asked, "good")
    assert asked == ["led"]


@pytest.mark.parametrize("outcome", ["error", "uncacheable"])
async def test_followers_go_on_when_the_lead_does_not_land(
    line: RedisLine, outcome: str
):
    asked: list[str] = []
    store = CacheStore(line)

    answers = await asyncio.gather(
        *(_call(store, asked, outcome) for _ in range(5)), return_exceptions=True
    )

    assert asked == ["led"] + 4 * ["alone"]
    assert answers[1:] == [None] * 4


async def test_followers_go_on_when_the_lead_is_cancelled(line: RedisLine):
    asked: list[str] = []
    store = CacheStore(line)
    lead = asyncio.create_task(_call(store, asked, "good"))
    await asyncio.sleep(0.01)
    followers = [asyncio.create_task(_call(store, asked, "good")) for _ in range(3)]
    await asyncio.sleep(0)
    lead.cancel()

    assert await asyncio.gather(*followers) == [None] * 3
    assert asked == ["led"] + 3 * ["alone"]


async def test_a_follower_that_is_cancelled_leaves_the_others_theirs(line: RedisLine):
    asked: list[str] = []
    store = CacheStore(line)
    calls = [asyncio.create_task(_call(store, asked, "good")) for _ in range(4)]
    await asyncio.sleep(0.01)
    calls[2].cancel()

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert asked == ["led"]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert answers[0] == answers[1] == answers[3]


async def test_a_follower_does_not_wait_for_ever():
    flights = Flights(patience_s=0.05)
    lead = flights.lead_or_follow("key")
    follower = flights.lead_or_follow("key")

    assert isinstance(lead, Lead)
    assert isinstance(follower, Follower)
    assert await follower.entry() is None


async def test_a_lead_that_gave_up_makes_room_for_the_next():
    flights = Flights()
    first = flights.lead_or_follow("key")
    assert isinstance(first, Lead)
    first.give_up()
    second = flights.lead_or_follow("key")
    assert isinstance(second, Lead)

    with first:
        pass  # it ends nobody's flight but its own
    assert isinstance(flights.lead_or_follow("key"), Follower)
    second.land(entry()._replace(call_id="second"))
    assert isinstance(flights.lead_or_follow("key"), Lead)
