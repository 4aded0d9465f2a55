"""The ledger over real Postgres: holds never overspend, settlements happen once."""

import asyncio
import contextlib
from decimal import Decimal

import psycopg
import pytest

from costs.ledger import MOST_UNSETTLED
from devora_ops.common.errors import BudgetExceeded
from devora_ops.common.ids import uuid7
from tests.costs.books import ONE_CENT, Books, Held


async def test_a_hold_is_taken_and_a_settlement_replaces_it(books: Books):
    budget = await books.budget("1")
    held = await books.hold(budget)
    assert await books.counter(budget) == (0, ONE_CENT)

    await books.ledger.settle(books.settlement(held, "0.004"))

    assert await books.counter(budget) == (Decimal("0.004"), 0)
    (state,) = await books.query(
        "SELECT state, cost_usd FROM costs_attempt WHERE id = %s", held.attempt
    )
    assert state == ("settled", Decimal("0.004"))


async def test_two_hundred_at_once_take_exactly_what_fits(books: Books):
    budget = await books.budget("1")

    answers = await asyncio.gather(
        *(books.hold(budget, amount=Decimal("0.03")) for _ in range(200)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Held) for answer in answers) == 33
    refusals = [answer for answer in answers if not isinstance(answer, Held)]
    assert all(isinstance(answer, BudgetExceeded) for answer in refusals)
    assert await books.counter(budget) == (0, Decimal("0.99"))


async def test_two_processes_together_take_no_more_than_one_would(books: Books):
    budget = await books.budget("1")
    other = Books(books.url)
    await other.ledger.start()

    answers = await asyncio.gather(
        *(
            each.hold(budget, amount=Decimal("0.03"))
            for _ in range(100)
            for each in (books, other)
        ),
        return_exceptions=True,
    )
    await other.ledger.stop()

    assert sum(isinstance(answer, Held) for answer in answers) == 33


async def test_all_budgets_are_charged_or_none(books: Books):
    wide, narrow = await books.budget("1"), await books.budget("0.01")
    await books.hold(wide, narrow)

    with pytest.raises(BudgetExceeded) as refused:
        await books.hold(wide, narrow)

    assert refused.value.extra["budget"] == narrow
    assert await books.counter(wide) == (0, ONE_CENT)


async def test_a_soft_budget_counts_but_never_refuses(books: Books):
    budget = await books.budget("0.001", hard=False)

    await books.hold(budget)

    assert await books.counter(budget) == (0, ONE_CENT)


async def test_a_settlement_that_is_posted_twice_counts_once(books: Books):
    budget = await books.budget("1")
    held = await books.hold(budget)
    settlement = books.settlement(held, "0.004")

    await books.ledger.settle(settlement)
    await books.ledger.settle(settlement)

    assert await books.counter(budget) == (Decimal("0.004"), 0)
    (sums,) = await books.query(
        "SELECT sum(calls), sum(attempts), sum(cost_usd) FROM costs_rollup_work "
        "WHERE team = %s",
        books.team,
    )
    assert sums == (1, 1, Decimal("0.004"))


async def test_the_rollups_sum_what_the_facts_say(books: Books):
    holds = [await books.hold() for _ in range(5)]
    await asyncio.gather(
        *(books.ledger.settle(books.settlement(held, "0.001")) for held in holds)
    )

    for table in ("costs_rollup_work", "costs_rollup_who", "costs_rollup_minute"):
        (sums,) = await books.query(
            f"SELECT sum(calls), sum(input_tokens), sum(cost_usd) FROM {table} "
            "WHERE team = %s",
            books.team,
        )
        assert sums == (5, 50, Decimal("0.005")), table


async def test_the_hold_of_a_dead_process_is_settled_at_its_worst_case(books: Books):
    budget = await books.budget("1")
    held = await books.hold(budget)
    await books.query(
        "UPDATE costs_hold SET owner = %s WHERE attempt_id = %s", uuid7(), held.attempt
    )

    survivor = Books(books.url)
    await survivor.ledger.start()
    assert await survivor.ledger.sweep() >= 1
    await survivor.ledger.stop()

    assert await books.counter(budget) == (ONE_CENT, 0)
    (row,) = await books.query(
        "SELECT state, cost_usd, estimated FROM costs_attempt WHERE id = %s",
        held.attempt,
    )
    assert row == ("unknown", ONE_CENT, True)
    (call,) = await books.query(
        "SELECT status, error_code FROM costs_call WHERE id = %s", held.call
    )
    assert call == ("error", "process_lost")


async def test_a_settlement_that_comes_after_the_sweeper_changes_nothing(books: Books):
    budget = await books.budget("1")
    held = await books.hold(budget)
    await books.query(
        "UPDATE costs_hold SET owner = %s WHERE attempt_id = %s", uuid7(), held.attempt
    )
    survivor = Books(books.url)
    await survivor.ledger.start()
    await survivor.ledger.sweep()
    await survivor.ledger.stop()

    await books.ledger.settle(books.settlement(held, "0.004"))

    assert await books.counter(budget) == (ONE_CENT, 0)


async def test_the_hold_of_a_caller_who_hung_up_is_given_back(books: Books):
    budget = await books.budget("1")
    impatient = asyncio.create_task(books.hold(budget))
    await asyncio.sleep(0)  # the reservation is on its way
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)

    await books.ledger.stop()

    assert await books.counter(budget) == (0, 0)
    held = await books.query(
        "SELECT 1 FROM costs_hold WHERE facts -> 'who' ->> 'team' = %s", books.team
    )
    assert held == []
    await books.ledger.start()


async def test_one_settlement_that_postgres_refuses_does_not_take_others_along(
    books: Books,
):
    good, bad = await books.hold(), await books.hold()
    broken = books.settlement(bad, "0.004")
    broken.attempts[0].error_code = "\0"  # no text column takes it

    results = await asyncio.gather(
        books.ledger.settle(books.settlement(good, "0.004")),
        books.ledger.settle(broken),
        return_exceptions=True,
    )

    assert results[0] is None
    assert isinstance(results[1], psycopg.Error)
    settled = await books.query(
        "SELECT id FROM costs_attempt WHERE id = ANY(%s)", [good.attempt, bad.attempt]
    )
    assert settled == [(good.attempt,)]


async def test_news_of_settled_calls_is_sent(books: Books):
    listener = await psycopg.AsyncConnection.connect(books.url, autocommit=True)
    async with listener:
        await listener.execute("LISTEN devora_calls")
        held = await books.hold()
        await books.ledger.settle(books.settlement(held, "0.004"))

        async for notify in listener.notifies(timeout=5):
            if str(held.call) in notify.payload:
                break
        else:
            raise AssertionError("nobody told of it")

    assert '"cost_usd":"0.004"' in notify.payload


async def test_the_hold_of_a_caller_who_hung_up_as_it_was_made_is_given_back(
    books: Books,
):
    budget = await books.budget("1")
    delivered = asyncio.Event()
    reserve = books.ledger._holds._write

    async def told(batch):
        answers = await reserve(batch)
        delivered.set()  # the caller is cancelled in the turn that delivers its hold
        return answers

    books.ledger._holds._write = told
    impatient = asyncio.create_task(books.hold(budget))
    await delivered.wait()
    await asyncio.sleep(0)
    impatient.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await impatient
    if not impatient.cancelled():
        return  # it had gone on already: then the hold is its own

    for _ in range(100):
        if await books.counter(budget) == (0, 0):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the hold was not given back")


async def test_a_hold_that_postgres_lost_is_made_again(books: Books):
    budget = await books.budget("1")
    held = await books.hold(budget)
    # A crash takes the last commits of holds along.
    await books.query("DELETE FROM costs_hold WHERE attempt_id = %s", held.attempt)
    await books.query("UPDATE costs_counter SET held = 0 WHERE budget_id = %s", budget)
    await books.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = %s",
        f"devora-{books.team}-holds",
    )
    again = await books.hold(budget)

    (row,) = await books.query(
        "SELECT amount FROM costs_hold WHERE attempt_id = %s", held.attempt
    )
    assert row == (ONE_CENT,)
    _, open_holds = await books.counter(budget)
    assert open_holds == sum(
        amount
        for (amount,) in await books.query(
            "SELECT amount FROM costs_hold WHERE facts -> 'who' ->> 'team' = %s",
            books.team,
        )
    )
    for each in (held, again):
        await books.ledger.settle(books.settlement(each, "0.004"))
    spent, _ = await books.counter(budget)
    assert spent == Decimal("0.008")


async def test_the_sweeper_leaves_its_own_living_holds_alone(books: Books):
    budget = await books.budget("1")
    await books.hold(budget)
    await books.query(
        "UPDATE costs_owner SET seen_at = now() - interval '1 minute' WHERE id = %s",
        books.ledger.owner,
    )
    await books.ledger.sweep()
    assert await books.counter(budget) == (0, ONE_CENT)


async def test_a_hold_that_cannot_be_written_costs_no_other_its_own(books: Books):
    budget = await books.budget("1")

    answers = await asyncio.gather(
        *(books.hold(budget, amount=Decimal(it)) for it in ("0.01", "-1", "0.01")),
        return_exceptions=True,
    )

    assert [isinstance(answer, Held) for answer in answers] == [True, False, True]
    assert await books.counter(budget) == (0, 2 * ONE_CENT)


async def test_no_more_is_let_in_while_too_much_is_not_settled(books: Books):
    held = await asyncio.gather(*(books.hold() for _ in range(MOST_UNSETTLED)))
    blocker = await psycopg.AsyncConnection.connect(books.url)
    async with blocker:
        await blocker.execute("LOCK TABLE costs_call IN ACCESS EXCLUSIVE MODE")
        settled = [books.ledger.settle(books.settlement(each, "0")) for each in held]
        assert not books.ledger.has_room()
        await blocker.rollback()

    await asyncio.gather(*settled)

    assert books.ledger.has_room()
