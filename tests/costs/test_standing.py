"""Where budgets with steps stand: followed while there are some, and asked for no more."""

import asyncio
import logging
from decimal import Decimal

import pytest

from costs.snapshot import Budgets, BudgetScope
from costs.standing import EVERY_S, StandingWatch
from devora_ops.common.postgres import make_pool
from devora_ops.common.snapshots import Snapshot
from tests.costs.books import Books


async def never(connection):
    raise AssertionError("this picture is set by hand")


def picture(*scopes):
    return Snapshot(tables=[], load=never, empty=Budgets(scopes))


def scope(number, **steps):
    return BudgetScope(number, True, *[""] * 6, limit_usd=Decimal(10), **steps)


@pytest.mark.parametrize("steps", [{}, {"cache_only_at": 50}], ids=["none", "some"])
async def test_postgres_is_asked_only_while_a_budget_has_steps(caplog, steps):
    closed = make_pool("postgresql://127.0.0.1:1/none", size=1)
    watch = StandingWatch(closed, picture(scope(1, **steps)))
    with caplog.at_level(logging.WARNING):
        await watch.start()
        await watch.stop()
    assert bool(caplog.records) is bool(steps)
    assert not watch.current.reached


async def test_it_sees_what_is_set_aside_and_forgets_steps_that_go(books: Books):
    budget = await books.budget("10")
    pool = make_pool(books.url, size=1)
    await pool.open()
    shown = picture(scope(budget, cache_only_at=50))
    watch = StandingWatch(pool, shown)
    await watch.start()
    try:
        assert not watch.current.reached
        await books.hold(budget, amount=Decimal(6))
        await asyncio.sleep(2 * EVERY_S)
        assert watch.current.reached[budget].left_usd == 4
        shown.current = Budgets([scope(budget)])
        await asyncio.sleep(2 * EVERY_S)
        assert not watch.current.reached
    finally:
        await watch.stop()
        await pool.close()
