"""From the ledger's NOTIFY to this process's sockets."""

import asyncio

import psycopg
import pytest
from channels.layers import channel_layers, get_channel_layer

from devora_ops.common.postgres import connect
from devora_ops.dashboard import live
from devora_ops.dashboard.live import LiveListener
from tests.dashboard.ledger import news, settings_url, settled, tell, utc

CALL = news(settled(utc(2026, 11, 22, 16, 41, 12)))


@pytest.fixture
def url(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return settings_url()


@pytest.fixture
async def channel():
    channel_layers.backends = {}
    layer = get_channel_layer(live.LAYER)
    name = await layer.new_channel()
    await layer.group_add(live.GROUP, name)

    async def receive():
        return await asyncio.wait_for(layer.receive(name), 10)

    return receive


@pytest.fixture
async def listener(url):
    listening = LiveListener(url)
    await listening.start()
    yield listening
    await listening.stop()


async def test_settled_calls_are_forwarded_with_a_number(listener, channel):
    await tell([CALL])
    await tell([CALL, CALL])
    first, second = await channel(), await channel()
    assert first["calls"] == [CALL]
    assert first["complete"]
    assert [first["number"], second["number"]] == [1, 2]
    assert len(second["calls"]) == 2


@pytest.mark.parametrize("payload", [[CALL, "more"], '"more"', ["more"]])
async def test_what_was_too_long_to_tell_is_said_to_be_missing(
    listener, channel, payload
):
    await tell(payload)
    assert not (await channel())["complete"]


async def test_news_that_make_no_sense_end_nothing(listener, channel):
    for payload in ("no json", "{", "5"):
        await tell(payload)
    await tell([CALL])
    forwarded = [await channel(), await channel()]
    assert forwarded[-1]["calls"] == [CALL]


async def test_a_lost_connection_is_made_again_and_the_gap_is_told(
    listener, channel, url
):
    await _end_listening(url)
    gap = await channel()
    assert not gap["complete"]
    await tell([CALL])
    assert (await channel())["calls"] == [CALL]


async def test_a_database_that_is_away_at_the_start_is_tried_again(channel, url):
    listening = LiveListener("postgres://nobody@127.0.0.1:1/nothing")
    await listening.start()
    listening._url = url
    try:
        assert not (await channel())["complete"]
        await tell([CALL])
        assert (await channel())["calls"] == [CALL]
    finally:
        await listening.stop()


async def _end_listening(url):
    there = await connect(url, application="tests")
    ended = await there.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'devora-live' AND datname = current_database()"
    )
    assert isinstance(ended, psycopg.AsyncCursor)
    await there.close()
