"""The demo, loaded once for the tests that look at it, small but of full length."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from devora_ops.demo.loading import load
from devora_ops.demo.removal import remove
from devora_ops.installation.secret_file import Secrets
from tests.database import url_of
from tests.installation_under_test import orm_on

NOW = dt.datetime(2026, 11, 22, 18, 0, tzinfo=dt.UTC)
CALLS_PER_DAY = 30


@dataclass(frozen=True)
class Demo:
    """A database with the demo in it."""

    database: str
    secrets: Secrets
    calls: int
    unblock: Any

    @contextlib.contextmanager
    def orm(self) -> Iterator[None]:
        """Point Django's ORM at it for a moment."""
        with self.unblock(), orm_on(self.database):
            yield

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Ask it."""
        url = url_of(self.database)
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()


def new_secrets(folder: Path) -> Secrets:
    """Return the secrets of an installation that has just been made."""
    return Secrets.open(folder / "secrets")


@pytest.fixture(scope="module")
def demo(
    installation_database: str,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Demo]:
    """Load thirty days of few calls; they are gone when a module is done with them."""
    secrets = new_secrets(tmp_path_factory.mktemp("demo"))
    with django_db_blocker.unblock(), orm_on(installation_database):
        calls = load(secrets, now=NOW, calls_per_day=CALLS_PER_DAY)
    assert calls is not None
    yield Demo(installation_database, secrets, calls, django_db_blocker.unblock)
    with django_db_blocker.unblock(), orm_on(installation_database):
        remove(keys_end_s=0)
