"""What every part of the suite may use: a running installation of the product."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from django.core.management import call_command
from django.utils import translation
from hypothesis import HealthCheck, settings

from devora_ops.common.redis_line import RedisLine
from tests.database import url_of
from tests.installation_under_test import Installation, orm_on
from tests.own_postgres import OwnPostgres, migrated_postgres
from tests.own_redis import DEADLINE_S, OwnRedis

# Times are judged by the benchmarks; here another process may have the processor.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

_LONG = ("chaos", "installation", "e2e", "logs")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what `make chaos` gives, and how long tests that can be longer are."""
    parser.addoption(
        "--figures",
        action="store_true",
        help="run the long forms of tests/chaos and judge what they measure",
    )
    parser.addoption(
        "--histories",
        type=int,
        default=60,
        help="how many random histories of the ledger to run",
    )
    parser.addoption(
        "--history-seed", type=int, default=0, help="the seed of the first of them"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, or one worker is still at it when the others are done."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Begin in English: a request of Django's test client leaves its language behind."""
    with translation.override("en"):
        yield


class Blocker(Protocol):
    """pytest-django's guard of the database."""

    def unblock(self) -> AbstractContextManager[None]:
        """Allow the database for a moment."""


@pytest.fixture(scope="session")
def installation_database(django_db_blocker: Blocker, worker_id: str) -> Iterator[str]:
    """Name a migrated database of this worker's own, which tests commit to.

    Tests that go through a real server share it, so each uses names of its own.
    """
    with migrated_database(f"installed_{worker_id}", django_db_blocker) as name:
        yield name


@contextlib.contextmanager
def migrated_database(purpose: str, blocker: Blocker) -> Iterator[str]:
    """Make a database with our tables for a while; yields its name."""
    name = f"devora_{purpose}_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            with blocker.unblock(), orm_on(name):
                call_command("migrate", verbosity=0)
            yield name
        finally:
            _drop(admin, name)


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    """Drop a database; nobody but a superuser ends the autovacuum that looks after it."""
    for _ in range(100):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            return
        time.sleep(0.1)
    admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def installation(
    installation_database: str,
    django_db_blocker: Blocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Run the product for this worker: a web process and the provider simulator."""
    with Installation(
        database=installation_database,
        folder=tmp_path_factory.mktemp("installation"),
        unblock=django_db_blocker.unblock,
    ) as running:
        yield running


@pytest.fixture
def committed_db(
    installation_database: str, django_db_blocker: Blocker
) -> Iterator[str]:
    """Let a test commit, for threads and connections of its own; yields the URL.

    Nothing is emptied afterwards, as transactional tests would, roles and prices
    included: use names of your own.
    """
    with django_db_blocker.unblock(), orm_on(installation_database):
        yield url_of(installation_database)


@pytest.fixture(scope="module")
def own_postgres(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OwnPostgres]:
    """Run a Postgres that this module alone uses, and may stop."""
    with migrated_postgres(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """Run a Redis that this test alone uses, and may stop."""
    with OwnRedis(tmp_path) as server:
        yield server
        server.resume()


@pytest.fixture
async def line(own_redis: OwnRedis) -> AsyncIterator[RedisLine]:
    """Connect as the data plane does to the Redis that this test may stop."""
    line = RedisLine(own_redis.url, timeout_s=DEADLINE_S)
    await line.start()
    yield line
    own_redis.resume()
    await line.stop()
