"""Streams that share a loop: nothing of them is lost, and no turn relays without end."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.slices import SLICE_BYTES, TURN_BYTES, Turns, slices


@given(st.integers(0, 5 * SLICE_BYTES), st.binary(min_size=1, max_size=7))
def test_slices_are_small_and_make_up_the_piece(size: int, pattern: bytes):
    piece = (pattern * (size // len(pattern) + 1))[:size]
    parts = [*slices(piece)]
    assert b"".join(parts) == piece
    assert all(len(part) <= SLICE_BYTES for part in parts)


async def test_what_fits_into_a_turn_does_not_wait():
    turns = Turns()
    for _ in range(TURN_BYTES // 100):
        with pytest.raises(StopIteration):  # it ends without having waited
            turns.take(100).send(None)


async def test_a_turn_relays_so_much_and_others_are_served_between():
    turns, order = Turns(), []

    async def relay(name: str) -> None:
        for _ in range(20):
            await turns.take(SLICE_BYTES)
            order.append(name)

    async def serve() -> None:
        while relaying:
            order.append("|")
            await asyncio.sleep(0)

    relaying = {asyncio.create_task(relay(name)) for name in "abc"}
    for task in relaying:
        task.add_done_callback(relaying.discard)
    await serve()
    between = "".join(order).split("|")
    assert max(map(len, between)) <= TURN_BYTES // SLICE_BYTES + 1
    # The first begins with a whole turn; from then on nobody comes before his turn.
    later = "".join(between)[3:33]
    assert {later.count(name) for name in "abc"} == {10}, later


async def test_a_turn_that_is_long_for_other_reasons_relays_more():
    turns = Turns()
    await turns.take(TURN_BYTES)
    waiting = [asyncio.create_task(turns.take(SLICE_BYTES)) for _ in range(200)]
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251 (what is tested)
    for _ in range(3):
        await asyncio.sleep(0)
    relayed = sum(task.done() for task in waiting)
    assert relayed > 4 * TURN_BYTES // SLICE_BYTES
    for task in waiting:
        task.cancel()


async def test_who_is_called_off_takes_nothing_of_a_turn():
    turns = Turns()
    await turns.take(TURN_BYTES)
    gone = [asyncio.create_task(turns.take(TURN_BYTES)) for _ in range(50)]
    stays = asyncio.create_task(turns.take(1))
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert stays.done()
