"""The product as a stranger meets it: real processes, real HTTP, real Postgres."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
from django.db import connection
from psycopg.rows import dict_row

from tests.database import url_of

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


@dataclass(frozen=True)
class Caller:
    """An agent of one test's own, with its key."""

    agent: str
    team: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """What its requests carry."""
        return {"Authorization": f"Bearer {self.key}"}


class Installation:
    """A web process and a simulator over one database."""

    def __init__(
        self,
        *,
        database: str,
        folder: Path,
        unblock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.database = database
        self.folder = folder
        self.journal = folder / "simulator.jsonl"
        self.port, self.simulator_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator_url = f"http://127.0.0.1:{self.simulator_port}"
        self.database_url = url_of(database)
        self._unblock = unblock
        self._processes = ExitStack()
        self._names = itertools.count()
        self.web: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Installation":
        self._start_simulator()
        self._provide_models()
        self.start_web()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_web()
        self._processes.close()

    # --- processes ---------------------------------------------------------------

    def start_web(self) -> None:
        """Start the web process and wait until it can serve."""
        log = (self.folder / "web.log").open("ab")
        self.web = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "devora_ops.asgi:application"),
                *("--port", str(self.port), "--log-level", "warning"),
                *("--timeout-graceful-shutdown", "5"),
                *("--ws", "devora_ops.handshakes:HandshakeProtocol"),
            ],
            cwd=ROOT,
            env=self.environment(),
            stdout=log,
            stderr=log,
        )
        log.close()
        wait_until(lambda: _answers(f"{self.url}/readyz"), within_s=START_S)

    def stop_web(self) -> None:
        """Stop the web process as a supervisor would."""
        if self.web is not None and self.web.poll() is None:
            self.web.send_signal(signal.SIGTERM)
            self.web.wait(30)

    def kill_web(self) -> None:
        """Kill the web process in the middle of whatever it does."""
        if self.web is not None:
            self.web.kill()
            self.web.wait(10)

    def environment(self) -> dict[str, str]:
        """Return what the product's own processes run with."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.installation_settings",
            "DATABASE_URL": self.database_url,
            "PORT": str(self.port),
            "DEVORA_URL": self.url,
            "DEVORA_DATA": str(self.folder / "data"),
        }

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command against this installation."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _start_simulator(self) -> None:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "devora_ops.simulator"),
                *("--port", str(self.simulator_port), "--file", str(self.journal)),
                *("--seed", "1", "--latency-scale", "0"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.callback(process.wait, 10)
        self._processes.callback(process.terminate)
        wait_until(
            lambda: _answers(f"{self.simulator_url}/__sim__/state"), within_s=START_S
        )

    # --- data --------------------------------------------------------------------

    @contextlib.contextmanager
    def orm(self) -> Iterator[None]:
        """Point Django's ORM at this installation's database for a moment."""
        with self._unblock(), orm_on(self.database):
            yield

    def caller(
        self, *, scopes: Sequence[str] = ("call",), team: str = "", name: str = ""
    ) -> Caller:
        """Make an agent with a key, in a team of its own unless one is named."""
        from llm.services import agent_ensure, apikey_create

        name = name or f"agent-{next(self._names)}-{uuid.uuid4().hex[:6]}"
        with self.orm():
            agent = agent_ensure(slug=name, team=team or f"team-{name}")
            token = apikey_create(agent=agent, scopes=scopes)
            made = Caller(agent.slug, agent.team.slug, token)
        self._wait_for_key(token)
        return made

    def budget(self, *, limit_usd: str, **scope: str) -> int:
        """Make a hard monthly budget; scope: team, agent, model…"""
        with self.orm():
            from costs.models import Budget

            budget = Budget.objects.create(
                name=f"budget {uuid.uuid4().hex[:8]}",
                limit_usd=Decimal(limit_usd),
                **scope,
            )
        self.caller()  # once a younger key is taken, the budget is in force
        return budget.pk

    def model(self, name: str, **rates: str) -> str:
        """Make a model of the simulator with a price in USD per token; return its name."""
        from django.utils import timezone

        with self.orm():
            from costs.models import Price
            from llm.models import Model, Provider

            provider = Provider.objects.get(slug="simulator")
            Model.objects.get_or_create(provider=provider, name=name)
            if rates:
                Price.objects.get_or_create(
                    model=f"simulator/{name}",
                    defaults={
                        **{rate: Decimal(usd) for rate, usd in rates.items()},
                        "valid_from": timezone.now(),
                        "source": "test",
                    },
                )
        self.caller()  # once a younger key is taken, the model is known
        return f"simulator/{name}"

    def _provide_models(self) -> None:
        from llm.services import model_ensure, provider_ensure

        with self.orm():
            provider = provider_ensure(
                slug="simulator",
                kind="compatible",
                base_url=f"{self.simulator_url}/v1",
                secret="a-key-for-the-simulator",
                from_environment=True,
            )
            model_ensure(provider=provider, name="gpt-5.2", like="openai/gpt-5.2")

    def _wait_for_key(self, key: str) -> None:
        """Wait until the gateway takes a key, and knows all that was older than it.

        It hears of changes by notification, in order; a test must not race with that.
        """
        headers = {"Authorization": f"Bearer {key}"}
        if self.web is not None:
            wait_until(
                lambda: (
                    httpx.get(f"{self.url}/v1/models", headers=headers).status_code
                    != 401
                )
            )

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let everybody wait who reads or writes a table."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()

    # --- looking -----------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as database:
            return database.execute(query, values).fetchall()

    def calls(self, caller: Caller, *, count: int = 1) -> list[dict[str, Any]]:
        """Return a caller's recorded calls once there are so many."""
        query = "SELECT * FROM costs_call WHERE agent = %s ORDER BY id"
        wait_until(lambda: len(self.rows(query, caller.agent)) >= count)
        return self.rows(query, caller.agent)

    def attempts(self, caller: Caller, *, count: int = 1) -> list[dict[str, Any]]:
        """Return a caller's recorded attempts once there are so many."""
        query = "SELECT * FROM costs_attempt WHERE agent = %s ORDER BY id"
        wait_until(lambda: len(self.rows(query, caller.agent)) >= count)
        return self.rows(query, caller.agent)

    def journal_lines(self, event: str) -> list[Mapping[str, Any]]:
        """Return what the simulator wrote down: the judge of what was really called."""
        lines = self.journal.read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def release(self) -> None:
        """Let the simulator answer what it holds."""
        httpx.post(f"{self.simulator_url}/__sim__/release").raise_for_status()

    def waiting(self) -> int:
        """Return how many requests the simulator holds."""
        return int(httpx.get(f"{self.simulator_url}/__sim__/state").json()["waiting"])


@contextlib.contextmanager
def orm_on(database: str) -> Iterator[None]:
    """Point Django's ORM at another database of the same server for a moment."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], *, within_s: float = 15.0) -> None:
    """Wait for a condition; fails the test when it never holds."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within_s:g} s")
        time.sleep(0.02)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url).status_code == 200
    return False
