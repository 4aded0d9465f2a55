"""An installation that logs at DEBUG, with a worker, and secrets that must not show."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.callers import as_person
from tests.conftest import Blocker, migrated_database
from tests.database import url_of
from tests.installation_under_test import ROOT, Installation, wait_until
from tests.own_redis import OwnRedis

PROVIDER_KEY = "canary of the provider's own kind"
PROMPT = "canary that an agent tells its model"


class TalkativeInstallation(Installation):
    """Its processes log at DEBUG; its Redis is its own, so that its tasks are too."""

    redis_url = ""

    def environment(self) -> dict[str, str]:
        """Return what the product's own processes run with."""
        return {
            **super().environment(),
            "DJANGO_SETTINGS_MODULE": "tests.logs.talkative_settings",
            "REDIS_URL": self.redis_url,
        }

    def _provide_models(self) -> None:
        super()._provide_models()
        from llm.services import provider_ensure

        with self.orm():
            provider_ensure(
                slug="simulator",
                kind="compatible",
                base_url=f"{self.simulator_url}/v1",
                secret=PROVIDER_KEY,
                from_environment=True,
            )

    def start_worker(self) -> None:
        """Start Celery's worker."""
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-q", "-A", "devora_ops"),
                    *("worker", "--pool", "threads", "--concurrency", "1"),
                    *("--without-gossip", "--without-mingle"),
                ],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        self._processes.callback(process.wait, 20)
        self._processes.callback(process.terminate)

    @contextlib.contextmanager
    def postgres_away(self) -> Iterator[None]:
        """Let the database refuse everybody for a moment."""
        change = f'ALTER DATABASE "{self.database}" ALLOW_CONNECTIONS '
        with psycopg.connect(url_of("postgres"), autocommit=True) as beside:
            beside.execute(change + "false")
            try:
                beside.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = %s",
                    [self.database],
                )
                yield
            finally:
                beside.execute(change + "true")
        wait_until(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)

    def log(self, process: str) -> str:
        """Return what a process has logged so far."""
        return (self.folder / f"{process}.log").read_text()


class Lines:
    """The lines that a process has logged since they were last read, as objects."""

    def __init__(self, installation: TalkativeInstallation, process: str) -> None:
        self._read: Callable[[], str] = lambda: installation.log(process)
        self._seen = len(self._read())

    def new(self) -> list[dict[str, Any]]:
        """Return the lines so far; one that is no JSON fails the test."""
        said = self._read()[self._seen :]
        return [json.loads(line) for line in said.splitlines()]

    def of(self, request_id: str, **fields: Any) -> list[dict[str, Any]]:
        """Wait for a request's lines, those with these fields, and return them."""
        wanted = {"request_id": request_id, **fields}

        def found() -> list[dict[str, Any]]:
            return [line for line in self.new() if wanted.items() <= line.items()]

        wait_until(lambda: bool(found()))
        return found()


@pytest.fixture(scope="module")
def talkative(
    django_db_blocker: Blocker,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TalkativeInstallation]:
    """Run an installation that logs all it can, over a database of its own."""
    folder = tmp_path_factory.mktemp("talkative")
    with (
        migrated_database(f"talkative_{worker_id}", django_db_blocker) as database,
        OwnRedis(folder) as redis,
    ):
        running = TalkativeInstallation(
            database=database, folder=folder, unblock=django_db_blocker.unblock
        )
        running.redis_url = redis.url
        with running:
            yield running


@pytest.fixture
def web_lines(talkative: TalkativeInstallation) -> Lines:
    """Return the web process's lines from now on."""
    return Lines(talkative, "web")


@pytest.fixture
def owner(talkative: TalkativeInstallation) -> Iterator[httpx.Client]:
    """Sign in as an Owner whose name and address are nobody's business."""
    with talkative.orm():
        signed_in = as_person("Owner")
        cookies = {name: each.value for name, each in signed_in.cookies.items()}
    with httpx.Client(base_url=talkative.url, cookies=cookies, timeout=20) as client:
        yield client
