"""Settlements that wait on the disk while Postgres, here one of our own, is away."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from costs.facts import Settlement
from costs.journal import Journal, decoded, encoded
from tests.costs.books import ONE_CENT, Books
from tests.own_postgres import OwnPostgres, frozen, stopped


@pytest.fixture
def postgres(own_postgres: OwnPostgres) -> OwnPostgres:
    return own_postgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "settlements"


@pytest.fixture
async def books(postgres: OwnPostgres, folder: Path) -> AsyncIterator[Books]:
    books = Books(postgres.url, journal=Journal(folder))
    await books.ledger.start()
    yield books
    await books.ledger.stop()


def pages(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def three_holds(books: Books) -> tuple[int, list[Settlement]]:
    budget = await books.budget("1")
    holds = [await books.hold(budget) for _ in range(3)]
    return budget, [books.settlement(held, "0.004") for held in holds]


async def calls_of(books: Books) -> int:
    (row,) = await books.query(
        "SELECT coalesce(sum(calls), 0) FROM costs_rollup_work WHERE team = %s",
        books.team,
    )
    return int(row[0])


async def until_counted(books: Books, calls: int) -> None:
    async with asyncio.timeout(20):
        while await calls_of(books) < calls:  # noqa: ASYNC110  another process tells
            await asyncio.sleep(0.1)


async def ended(books: Books) -> float:
    """Stop the ledger as its process would; return how many seconds that took."""
    since = time.monotonic()
    await books.ledger.stop()
    return time.monotonic() - since


@pytest.mark.parametrize("away", [stopped, frozen])
async def test_settlements_outlive_their_process_and_count_once(
    postgres: OwnPostgres, books: Books, folder: Path, away: type
):
    budget, settlements = await three_holds(books)
    with away(postgres):
        for settlement in settlements:
            books.ledger.settle(settlement)
        assert await ended(books) < 20
        (page,) = pages(folder)
        assert page.stat().st_mode & 0o777 == 0o600
        copy = folder.parent / page.name
        shutil.copy(page, copy)

    successor = Books(books.url, journal=Journal(folder))
    await successor.ledger.start()
    await until_counted(books, 3)
    shutil.copy(copy, folder)
    await successor.ledger.replay()
    await successor.ledger.stop()

    assert pages(folder) == []
    assert await books.counter(budget) == (Decimal("0.012"), 0)
    assert await calls_of(books) == 3


async def test_what_a_dead_process_wrote_down_comes_before_its_worst_case(
    postgres: OwnPostgres, books: Books
):
    budget, settlements = await three_holds(books)
    with stopped(postgres):
        for settlement in settlements:
            books.ledger.settle(settlement)
        await books.ledger.stop()
    await books.query(
        "UPDATE costs_owner SET seen_at = now() - interval '1 hour' WHERE id = %s",
        books.ledger.owner,
    )

    assert await books.ledger.sweep() == 0

    assert await books.counter(budget) == (Decimal("0.012"), 0)


async def test_a_long_outage_does_not_keep_settlements_in_memory(
    postgres: OwnPostgres, books: Books, folder: Path
):
    budget, settlements = await three_holds(books)
    with stopped(postgres):
        async with asyncio.timeout(15):
            await asyncio.gather(*map(books.ledger.settle, settlements))
        assert len(pages(folder)) == 1
    await until_counted(books, 3)
    assert await books.counter(budget) == (Decimal("0.012"), 0)


async def test_of_a_torn_page_everything_but_the_last_line_is_posted(
    books: Books, folder: Path
):
    budget, settlements = await three_holds(books)
    Journal(folder).append(settlements)
    (page,) = pages(folder)
    os.truncate(page, page.stat().st_size - 20)

    await books.ledger.replay()

    assert await books.counter(budget) == (Decimal("0.008"), ONE_CENT)
    assert pages(folder) == []


async def test_processes_that_share_a_folder_do_not_meet(books: Books, folder: Path):
    others = [Books(books.url, journal=Journal(folder)) for _ in range(3)]
    budget, settlements = await three_holds(books)
    await asyncio.gather(
        *(asyncio.to_thread(Journal(folder).append, [each]) for each in settlements)
    )
    assert len(pages(folder)) == 3

    await asyncio.gather(*(each.ledger.replay() for each in (books, *others)))
    for other in others:
        await other.ledger.stop()

    await until_counted(books, 3)
    assert await books.counter(budget) == (Decimal("0.012"), 0)
    assert pages(folder) == []


async def test_a_page_that_another_process_has_is_left_alone(folder: Path):
    journal = Journal(folder)
    journal.append([Settlement()])

    for _page in journal.replay():
        assert list(Journal(folder).replay()) == []

    assert pages(folder) == []


async def test_what_postgres_refuses_is_set_aside_and_the_rest_posted(
    books: Books, folder: Path
):
    budget, settlements = await three_holds(books)
    settlements[1].attempts[0].error_code = "\0"  # no text column takes it
    Journal(folder).append(settlements)

    await books.ledger.replay()

    assert await books.counter(budget) == (Decimal("0.008"), ONE_CENT)
    assert [page.suffix for page in pages(folder)] == [".refused"]


async def test_what_was_told_to_be_settled_outlives_a_crash_of_postgres(
    postgres: OwnPostgres, books: Books
):
    await books.query("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
    await (
        books.ledger.stop()
    )  # what connects from now on is as durable as in production
    books = Books(postgres.url)
    await books.ledger.start()
    budget, settlements = await three_holds(books)
    for settlement in settlements:
        await books.ledger.settle(settlement)

    postgres.crash()
    postgres.restart()

    spent, held = await books.counter(budget)
    assert (await calls_of(books), spent, held) == (3, Decimal("0.012"), 0)
    await books.ledger.stop()


async def test_a_line_is_read_as_it_was_written(books: Books):
    _, settlements = await three_holds(books)
    settlements[0].attempts[0].raw_usage = {"tokens": 3, "details": {"cached": None}}
    settlements[1].attempts[0].cost_usd = None
    settlements[2].attempts[0].book_usd = Decimal("0.000000001")

    assert [decoded(encoded(each)) for each in settlements] == settlements
    assert decoded(encoded(Settlement())) == Settlement()


async def test_a_line_of_an_earlier_version_is_read(books: Books):
    settlement = books.settlement(await books.hold(), "0.01")
    line = encoded(settlement)
    for later in (b',"anomaly":""', b',"book_usd":null', b',"fingerprint":null'):
        assert later in line
        line = line.replace(later, b"")
    assert decoded(line) == settlement
