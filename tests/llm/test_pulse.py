"""How much a loop begins in a turn, told by how long its turns take."""

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.pulse import LEAST, LONG_S, MOST, Pulse, Room


def test_a_crowd_is_let_in_and_long_turns_let_few_in():
    room = Room()
    assert room.size == MOST
    for _ in range(10):
        room.turned(2 * LONG_S)
    assert room.size == LEAST


def test_short_turns_let_more_in_by_and_by():
    room = Room()
    for _ in range(10):
        room.turned(2 * LONG_S)
    room.turned(LONG_S / 2)
    assert LEAST < room.size < 2 * LEAST
    for _ in range(200):
        room.turned(LONG_S / 2)
    assert room.size == MOST


@given(st.lists(st.floats(0, 1), max_size=400))
def test_some_are_always_let_in_and_never_more_than_a_crowd(turns_s: list[float]):
    room = Room()
    for took_s in turns_s:
        room.turned(took_s)
        assert LEAST <= room.size <= MOST


async def test_a_turn_begins_with_so_many_and_the_next_one_anew():
    pulse = Pulse()
    pulse.start()
    try:
        assert _let_in(pulse, MOST + 2) == MOST
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pulse.has_room()
    finally:
        pulse.stop()


async def test_a_loop_whose_turns_are_long_begins_less():
    pulse = Pulse()
    pulse.start()
    try:
        for _ in range(30):
            time.sleep(2 * LONG_S)  # noqa: ASYNC251 (what is tested)
            await asyncio.sleep(0)
        let_in = _let_in(pulse, MOST)
    finally:
        pulse.stop()
    assert let_in < MOST / 4


def _let_in(pulse: Pulse, comers: int) -> int:
    """Return how many of so many come in."""
    for before in range(comers):
        if not pulse.has_room():
            return before
        pulse.begin()
    return comers
