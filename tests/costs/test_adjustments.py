"""Adjustments leave the ledger adding up, and budgets with what they spent."""

import datetime as dt
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from costs.adjusting import reprice
from costs.services import add_price
from costs.verification import discrepancies
from tests.costs.books import Books

pytestmark = pytest.mark.usefixtures("committed_db")


def found():
    connection.close()  # of this thread, whose last one another test may have ended
    with connection.cursor():  # opened here, in the thread that asks
        return set(discrepancies())


@sync_to_async
def price(model, *, days_ago, rate):
    moment = timezone.now() - dt.timedelta(days=days_ago)
    rates = {"input": Decimal(rate), "output": Decimal(0), "confirmed": True}
    return add_price(actor="a", model=model, valid_from=moment, source="list", **rates)


async def test_the_ledger_adds_up_and_budgets_keep_their_spend(books: Books):
    look, model = sync_to_async(found), f"p/{books.team}"
    before = await look()
    old = await price(model, days_ago=9, rate="0.001")
    budget = await books.budget("1")
    held = await books.hold(budget)
    settlement = books.settlement(held, "0.01")
    settlement.attempts[0].model = settlement.call.model = model
    settlement.attempts[0].price_id = old.pk
    await books.ledger.settle(settlement)
    counter = await books.counter(budget)
    await price(model, days_ago=2, rate="0.003")

    now = timezone.now()
    told = await sync_to_async(reprice)(
        model, now - dt.timedelta(hours=1), now, actor="a", dry_run=False
    )
    assert told.difference_usd == Decimal("0.02")
    assert await books.counter(budget) == counter
    assert await look() == before

    change = "UPDATE costs_adjustment SET cost_usd = cost_usd + %s WHERE model = %s"
    await books.query(change, 1, model)
    assert any("cost: facts" in each for each in await look() - before)
    await books.query(change, -1, model)
    assert await look() == before
