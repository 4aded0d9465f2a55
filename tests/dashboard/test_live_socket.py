"""The live socket: who may listen, what they hear, and how it defends itself."""

import asyncio

import channels.db
import pytest
from channels.layers import channel_layers
from django.contrib.auth.models import Group

from devora_ops.common.models import User
from devora_ops.dashboard import consumers
from tests.api.callers import make_person
from tests.dashboard.ledger import news, settled, utc
from tests.dashboard.sockets import (
    closed_with,
    connected,
    on_a_loop,
    settle,
    signed_in,
    socket,
    subscribed,
)

pytestmark = pytest.mark.django_db

NOW = utc(2026, 11, 22, 16, 41, 12)


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    # As Django's own test client does: the test's transaction must outlive a request.
    monkeypatch.setattr(channels.db, "close_old_connections", lambda: None)
    channel_layers.backends = {}


@pytest.fixture
def cookie():
    return signed_in(make_person("Viewer"))


async def heard(opened):
    """Return a frame without its number."""
    frame = await opened.hear()
    frame.pop("seq")
    return frame


@on_a_loop
async def test_a_settled_call_reaches_the_page_as_a_row_and_as_sums(cookie):
    page = await subscribed(cookie)
    await settle(news(settled(NOW, ms=812.0, cost="0.0123")), number=1)
    rows = await heard(page)
    assert (rows["type"], rows["count"]) == ("calls", 1)
    row = rows["rows"][0]
    assert row["cost"] == "$0.0123"
    assert row["time"] == "17:41:12"  # the profile's zone is Europe/Paris
    assert row["tokens"] == "100 → 20"
    assert row["url"].startswith("/admin/costs/call/")
    sums = {"type": "kpi", "calls": 1, "cost_usd": "0.0123", "tokens": 120}
    assert await heard(page) == sums
    await page.leave()


@on_a_loop
async def test_rows_speak_the_pages_language(cookie):
    page = socket(cookie, path="/ws/live/?language=fr")
    await page.connect()
    await page.hear()
    await page.say({"type": "subscribe", "topics": ["calls"]})
    await page.hear()
    await settle(news(settled(NOW, cost="1.5")), number=1)
    assert (await heard(page))["rows"][0]["cost"] == "1,50\u202f$"
    await page.leave()


@on_a_loop
async def test_a_burst_is_one_frame_with_the_newest_rows(cookie):
    page = await subscribed(cookie)
    burst = [news(settled(NOW, cost="0.5")) for _ in range(30)]
    await settle(burst[0], number=1)
    assert (await heard(page))["count"] == 1
    await heard(page)
    await settle(*burst[1:], number=2)
    rows = await heard(page)
    assert rows["count"] == 29
    assert [row["id"] for row in rows["rows"]] == [c["id"] for c in burst[:-9:-1]]
    assert (await heard(page))["cost_usd"] == "14.5"
    await page.leave()


@on_a_loop
async def test_filters_hold_on_the_server(cookie):
    page = await subscribed(cookie, agent=["bot"], model=["!a/b"])
    other = [settled(NOW, agent="writer"), settled(NOW, model="a/b")]
    await settle(*map(news, other), number=1)
    await settle(news(settled(NOW, agent="bot")), number=2)
    assert (await heard(page))["count"] == 1
    await page.leave()


@on_a_loop
async def test_news_that_are_incomplete_or_missing_ask_for_a_new_look(cookie):
    page = await subscribed(cookie)
    await settle(number=1, complete=False)
    assert await heard(page) == {"type": "resync"}
    await settle(number=2)
    await settle(number=9)
    assert await heard(page) == {"type": "resync"}
    await page.leave()


@on_a_loop
async def test_who_comes_back_with_a_number_is_told_to_look_again(cookie):
    page = await connected(cookie)
    await page.say({"type": "subscribe", "topics": ["calls"], "since": 3})
    assert (await page.hear())["type"] == "subscribed"
    assert (await page.hear())["type"] == "resync"
    await page.leave()


@on_a_loop
async def test_unsubscribing_ends_the_news_and_never_hurts(cookie):
    page = await subscribed(cookie)
    for _ in range(2):
        await page.say({"type": "unsubscribe", "topics": ["calls", "kpi"]})
        answer = await page.hear()
        assert answer == {"type": "unsubscribed", "topics": []}
    await settle(news(settled(NOW)), number=1)
    assert await page.receive_nothing(0.5)
    await page.leave()


@on_a_loop
async def test_a_stranger_is_closed_with_4401():
    page = socket()
    assert await page.connect()
    assert await closed_with(page) == consumers.NOT_SIGNED_IN


@pytest.mark.parametrize(
    "path", ["/ws/live/?token=%00", "/ws/live/?token=" + "a" * 9999]
)
def test_a_token_in_the_address_is_no_login(path):
    @on_a_loop
    async def scenario():
        page = socket(path=path)
        await page.connect()
        assert await closed_with(page) == consumers.NOT_SIGNED_IN

    scenario()


def test_a_person_without_a_role_is_closed_with_4403():
    nobody = signed_in(make_person(None))

    @on_a_loop
    async def scenario():
        page = socket(nobody)
        await page.connect()
        assert await closed_with(page) == consumers.NO_ROLE

    scenario()


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.com",
        b"null",
        b"\xff",
        b"https://[::1",
        b"http://127.0.0.1:1",
        b"http://127.0.0.1.evil.com",
        b" ",
    ],
)
def test_another_origin_is_refused_before_the_handshake(cookie, origin):
    @on_a_loop
    async def scenario():
        assert not await socket(cookie, origin=origin).connect()

    scenario()


@on_a_loop
async def test_no_origin_is_refused(cookie):
    assert not await socket(cookie, origin=b"").connect()


@pytest.mark.parametrize("path", ["/ws/%00", "/ws/", "/ws/live/x", "/"])
def test_other_paths_are_refused(cookie, path):
    @on_a_loop
    async def scenario():
        assert not await socket(cookie, path=path).connect()

    scenario()


@on_a_loop
async def test_bad_frames_are_answered_and_the_fifth_ends_it(cookie):
    page = await connected(cookie)
    for _ in range(4):
        await page.send(text='{"a":NaN}')
        answer = await page.hear()
        assert (answer["type"], answer["code"]) == ("error", "invalid_json")
    await page.send(bytes=b"\x00")
    answer = await page.hear()
    assert answer["code"] == "binary_not_supported"
    assert await closed_with(page) == consumers.BAD_FRAMES


@on_a_loop
async def test_an_address_of_a_thousand_parameters_ends_it_with_4400(cookie):
    page = socket(cookie, path="/ws/live/?" + "&".join(["a=1"] * 1001))
    assert await page.connect()
    assert await closed_with(page) == consumers.BAD_FRAMES


@on_a_loop
async def test_a_frame_of_a_megabyte_ends_it_with_1009(cookie):
    page = await connected(cookie)
    await page.send(text="a" * 1_000_000)
    assert await closed_with(page) == consumers.TOO_LARGE


@on_a_loop
async def test_a_flood_ends_it_with_4429(cookie):
    page = await connected(cookie)
    for _ in range(100):
        await page.say({"type": "unsubscribe", "topics": ["calls"]})
    assert await closed_with(page) == consumers.TOO_MANY


@on_a_loop
async def test_the_fifty_first_connection_of_a_person_is_one_too_many(cookie):
    pages = [await connected(cookie) for _ in range(50)]
    late = socket(cookie)
    await late.connect()
    assert await closed_with(late) == consumers.TOO_MANY
    await pages.pop().leave()
    pages.append(await connected(cookie))
    for page in pages:
        await page.leave()


def test_a_session_that_ended_elsewhere_is_closed(cookie, monkeypatch):
    monkeypatch.setattr(consumers, "_RECHECK_S", 0.05)

    @on_a_loop
    async def scenario():
        page = await connected(cookie)
        await User.objects.all().aupdate(is_active=False)
        assert await closed_with(page) == consumers.NOT_SIGNED_IN

    scenario()


def test_a_role_that_was_taken_away_is_closed(cookie, monkeypatch):
    monkeypatch.setattr(consumers, "_RECHECK_S", 0.05)

    @on_a_loop
    async def scenario():
        page = await connected(cookie)
        await Group.objects.all().adelete()
        assert await closed_with(page) == consumers.NO_ROLE

    scenario()


def test_the_server_shows_that_it_lives(cookie, monkeypatch):
    monkeypatch.setattr(consumers, "_HEARTBEAT_S", 0.05)

    @on_a_loop
    async def scenario():
        page = await connected(cookie)
        assert await page.hear() == {"type": "heartbeat"}
        await page.leave()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    scenario()
