"""Who was silent may be alive: a sweeper that was so itself hears the others first."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.costs.books import ONE_CENT, Books


@pytest.fixture
async def others(books: Books) -> AsyncIterator[Books]:
    """Another process, which soon believes that it has heard everybody."""
    others = Books(books.url, settling_down_s=0.5)
    await others.ledger.start()
    yield others
    await others.ledger.stop()


async def silence(*all_of: Books) -> None:
    """Have processes stand still for a minute, by the clock that decides: Postgres'."""
    await all_of[0].query(
        "UPDATE costs_owner SET seen_at = now() - interval '1 minute' WHERE id = ANY(%s)",
        [each.ledger.owner for each in all_of],
    )


async def swept(sweeper: Books, *, dead: Books) -> None:
    """Sweep until nothing is held; the dead one is kept silent, for it beats in truth."""
    held = "SELECT 1 FROM costs_hold WHERE owner = %s"
    async with asyncio.timeout(10):
        while await sweeper.query(held, dead.ledger.owner):
            await silence(dead)
            await sweeper.ledger.sweep()


async def test_a_process_that_was_stopped_does_not_sweep_the_others_at_once(
    books: Books, others: Books
):
    """The machine slept: nobody was heard for a minute, and everybody lives."""
    budget = await books.budget("1")
    held = await books.hold(budget)
    # Whoever else is on this database slept too, or would sweep them in its next round.
    await books.query("UPDATE costs_owner SET seen_at = now() - interval '1 minute'")

    await others.ledger.sweep()

    assert await books.counter(budget) == (0, ONE_CENT)
    await books.ledger.settle(books.settlement(held, "0.004"))
    (row,) = await books.query(
        "SELECT state FROM costs_attempt WHERE id = %s", held.attempt
    )
    assert row == ("settled",)


async def test_a_process_that_was_awake_all_the_time_sweeps_at_once(
    books: Books, others: Books
):
    budget = await books.budget("1")
    await books.hold(budget)
    await silence(books)

    await swept(others, dead=books)

    assert await books.counter(budget) == (ONE_CENT, 0)


async def test_who_is_not_heard_in_time_is_swept_all_the_same(
    books: Books, others: Books
):
    budget = await books.budget("1")
    held = await books.hold(budget)
    await silence(books, others)
    assert await others.ledger.sweep() == 0

    await swept(others, dead=books)

    (row,) = await books.query(
        "SELECT state FROM costs_attempt WHERE id = %s", held.attempt
    )
    assert row == ("unknown",)
