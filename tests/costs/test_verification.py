"""`verify_ledger` finds every kind of thing that does not add up, and names it."""

import asyncio
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from costs.verification import discrepancies
from devora_ops.common.ids import uuid7
from tests.costs.books import Books

pytestmark = pytest.mark.usefixtures("committed_db")


def found() -> set[str]:
    connection.close()  # of this thread, whose last one another test may have ended
    with connection.cursor():  # opened here, in the thread that asks
        return set(discrepancies())


async def served(books: Books, budget: int) -> "Books":
    """Let one call be held for and settled, and one be held for still."""
    held = await books.hold(budget)
    await books.ledger.settle(books.settlement(held, "0.004"))
    await books.hold(budget)
    return books


async def test_books_in_use_add_up(books: Books):
    before = await sync_to_async(found)()
    budget = await books.budget("1")
    await asyncio.gather(*(served(books, budget) for _ in range(20)))
    assert await sync_to_async(found)() == before


@pytest.mark.parametrize(
    ("damage", "repair", "words"),
    [
        (
            "UPDATE costs_counter SET spent = spent + 1 WHERE budget_id = {budget}",
            "UPDATE costs_counter SET spent = spent - 1 WHERE budget_id = {budget}",
            "attempts come to $0.004",
        ),
        (
            "UPDATE costs_counter SET held = held + 1 WHERE budget_id = {budget}",
            "UPDATE costs_counter SET held = held - 1 WHERE budget_id = {budget}",
            "open holds come to $0.01",
        ),
        (
            "UPDATE costs_rollup_work SET cost_usd = cost_usd + 1 WHERE team = '{team}'",
            "UPDATE costs_rollup_work SET cost_usd = cost_usd - 1 WHERE team = '{team}'",
            "cost: facts come to",
        ),
        (
            "UPDATE costs_rollup_who SET calls = calls + 1 WHERE team = '{team}'",
            "UPDATE costs_rollup_who SET calls = calls - 1 WHERE team = '{team}'",
            "rollup who",
        ),
        (
            "UPDATE costs_call SET cost_usd = cost_usd + 1 WHERE team = '{team}'",
            "UPDATE costs_call SET cost_usd = cost_usd - 1 WHERE team = '{team}'",
            "its attempts come to $0.004",
        ),
        (
            "UPDATE costs_hold SET created_at = created_at - interval '1 hour'"
            " WHERE facts -> 'who' ->> 'team' = '{team}'",
            "UPDATE costs_hold SET created_at = created_at + interval '1 hour'"
            " WHERE facts -> 'who' ->> 'team' = '{team}'",
            "the sweeper is late",
        ),
        (
            "UPDATE costs_attempt SET call_id = '{other}',"
            " settled_at = settled_at - interval '1 hour' WHERE team = '{team}'",
            "UPDATE costs_attempt SET call_id ="
            " (SELECT id FROM costs_call WHERE team = '{team}'),"
            " settled_at = settled_at + interval '1 hour' WHERE team = '{team}'",
            "{other}, which is missing",
        ),
    ],
)
async def test_a_damage_is_named(books: Books, damage: str, repair: str, words: str):
    budget = await books.budget("1")
    await served(books, budget)
    names = {"budget": budget, "team": books.team, "other": uuid7()}
    look: Callable[[], set[str]] = found
    before = await sync_to_async(look)()

    await books.query(damage.format(**names))
    damaged = await sync_to_async(look)() - before
    await books.query(repair.format(**names))

    assert any(words.format(**names) in sentence for sentence in damaged), damaged
    assert await sync_to_async(look)() == before
