"""Whatever happens in whatever order, no budget is overspent and the books add up.

The histories are seeded, not drawn by hypothesis: they share a committed database and
run beside each other, so that their holds and settlements share batches as those of
real calls do. What fails names its seed, and `--history-seed` tells it again alone.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from costs.verification import discrepancies
from tests.conftest import Blocker, migrated_database
from tests.costs.books import Books
from tests.costs.histories import History
from tests.database import url_of
from tests.provisioning import orm_on

_STEPS = 25
_AT_ONCE = 20


@pytest.fixture(scope="module")
def histories_database(django_db_blocker: Blocker, worker_id: str) -> Iterator[str]:
    """Name a database whose every fact is of a history: one that can be verified."""
    with migrated_database(f"histories_{worker_id}", django_db_blocker) as name:
        yield name


@pytest.fixture
def url(histories_database: str, django_db_blocker: Blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), orm_on(histories_database):
        yield url_of(histories_database)


@pytest.fixture
async def books(url: str) -> AsyncIterator[Books]:
    books = Books(url)
    await books.ledger.start()
    yield books
    await books.ledger.stop()


def found() -> list[str]:
    connection.close()  # of this thread, whose last one another test may have ended
    with connection.cursor():  # opened here, in the thread that asks
        return list(discrepancies())


async def test_no_history_overspends_or_leaks(
    books: Books, pytestconfig: pytest.Config
):
    count, first = (
        pytestconfig.getoption(name) for name in ("histories", "history_seed")
    )
    histories = [History(books, seed) for seed in range(first, first + count)]
    places = asyncio.Semaphore(_AT_ONCE)

    async def tell(seed: int, history: History) -> None:
        async with places:
            try:
                await history.run(_STEPS)
            except Exception as error:
                error.add_note(f"history {seed}: " + "; ".join(history.done))
                raise

    await asyncio.gather(*(tell(first + n, it) for n, it in enumerate(histories)))

    assert await sync_to_async(found)() == []
    assert sum(it.admitted for it in histories) > count
    assert count < 10 or sum(it.refused for it in histories) > count
    assert count < 10 or any(it.swept for it in histories)
