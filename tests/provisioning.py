"""What tests put into an installation through its services, and read in its tables."""

import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ
import httpx
import psycopg
from django.db import connection
from psycopg.rows import dict_row

from tests.database import url_of

_PLACE = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


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


class Provisioning:
    """An installation's agents, budgets, models and rows.

    journal: the simulator's file. serving: the addresses of the web processes, each of
    which must have heard of something before a test goes on.
    """

    def __init__(
        self,
        *,
        database_url: str,
        journal: Path,
        unblock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.database_url = database_url
        self.journal = journal
        # USD per token of the models made here.
        self.rates: dict[str, Mapping[str, Decimal]] = {}
        self._unblock = unblock
        self._names = itertools.count()

    def serving(self) -> Sequence[str]:
        """Return the addresses of the web processes that run."""
        raise NotImplementedError

    @contextlib.contextmanager
    def orm(self) -> Iterator[None]:
        """Point Django's ORM at this installation's database for a moment."""
        with self._unblock(), orm_at(self.database_url):
            yield

    # --- writing -----------------------------------------------------------------

    def caller(
        self,
        *,
        scopes: Sequence[str] = ("call",),
        team: str = "",
        name: str = "",
        limits: Mapping[str, int | None] | None = None,
    ) -> Caller:
        """Make an agent with a key, in a team of its own unless one is named."""
        from llm.services import agent_ensure, apikey_create

        name = name or f"agent-{next(self._names)}-{uuid.uuid4().hex[:6]}"
        with self.orm():
            agent = agent_ensure(slug=name, team=team or f"team-{name}")
            token = apikey_create(agent=agent, scopes=scopes, limits=limits)
            made = Caller(agent.slug, agent.team.slug, token)
        self._wait_for_key(token)
        return made

    def budget(self, *, limit_usd: str, **fields: Any) -> int:
        """Make a hard monthly budget; fields: period, or of its scope: team, agent…"""
        with self.orm():
            from costs.services import create_budget

            budget = create_budget(
                actor="test",
                name=f"budget {uuid.uuid4().hex[:8]}",
                limit_usd=Decimal(limit_usd),
                **fields,
            )
        self.catch_up()
        return budget.pk

    def provider(self, slug: str, base_url: str, *, kind: str = "compatible") -> None:
        """Make a provider at an address inside the network."""
        with self.orm():
            from llm.services import provider_ensure

            provider_ensure(
                slug=slug,
                kind=kind,
                base_url=base_url,
                secret=f"a-key-for-{slug}",
                from_environment=True,
            )
        self.catch_up()

    def model(self, name: str, *, provider: str = "simulator", **rates: str) -> str:
        """Make a provider's model, priced in USD per token; return `provider/name`."""
        from django.utils import timezone

        full = f"{provider}/{name}"
        with self.orm():
            from costs.models import Price
            from llm.models import Provider
            from llm.services import model_ensure

            model_ensure(provider=Provider.objects.get(slug=provider), name=name)
            if rates:
                self.rates[full] = {rate: Decimal(usd) for rate, usd in rates.items()}
                Price.objects.get_or_create(
                    model=full,
                    defaults={
                        **self.rates[full],
                        "valid_from": timezone.now(),
                        "source": "test",
                    },
                )
        self.catch_up()
        return full

    def route(self, slug: str, *models: str, **fields: Any) -> str:
        """Make a route over models, the first before the others; fields: strategy…"""
        with self.orm():
            from llm.models import Model
            from llm.services import route_ensure

            targets = [
                Model.objects.get(provider__slug=provider, name=name)
                for provider, _, name in (model.partition("/") for model in models)
            ]
            route = route_ensure(slug=slug, targets=targets)
            type(route).objects.filter(pk=route.pk).update(**fields)
        self.catch_up()
        return slug

    def catch_up(self) -> None:
        """Wait until every web process knows of all that was written so far."""
        if self.serving():
            self.caller()  # they hear of changes in order: once a younger key is taken

    def _wait_for_key(self, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        for url in self.serving():
            wait_until(
                lambda url=url: (  # type: ignore[misc]
                    httpx.get(f"{url}/v1/models", headers=headers).status_code != 401
                )
            )

    # --- reading -----------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let everybody wait who reads or writes a table."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()

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


@contextlib.contextmanager
def orm_at(url: str) -> Iterator[None]:
    """Point Django's ORM at another database for a moment."""
    there = environ.Env.db_url_config(url)
    before = {name: connection.settings_dict[name] for name in (*_PLACE, "OPTIONS")}
    options = {**before["OPTIONS"], "host": None, **there.get("OPTIONS", {})}
    connection.close()
    connection.settings_dict.update(
        {name: there.get(name, "") for name in _PLACE}, OPTIONS=options
    )
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@contextlib.contextmanager
def orm_on(database: str) -> Iterator[None]:
    """Point Django's ORM at another database of the suite's server for a moment."""
    with orm_at(url_of(database)):
        yield


def wait_until(true: Callable[[], bool], *, within_s: float = 15.0) -> None:
    """Wait for a condition; fails the test when it never holds."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within_s:g} s")
        time.sleep(0.02)
