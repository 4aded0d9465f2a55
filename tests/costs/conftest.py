"""What the ledger's tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.costs.books import Books
from tests.database import url_of


@pytest.fixture
async def books(installation_database: str) -> AsyncIterator[Books]:
    books = Books(url_of(installation_database))
    await books.ledger.start()
    yield books
    await books.ledger.stop()
