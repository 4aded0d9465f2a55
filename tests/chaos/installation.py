"""An installation of a scenario's own: whatever happens to it, nobody else notices.

Its own Postgres (durable, as in production), its own Redis, a provider simulator with
its file, and web processes as `manage.py up` starts them. Each can be killed, stopped,
made to stand still and started again.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.core.management import call_command

from tests.chaos.judge import Verdict, judged
from tests.chaos.web_process import WebProcess
from tests.fakes.simulator import SimulatorProcess
from tests.own_postgres import OwnPostgres
from tests.own_redis import OwnRedis
from tests.provisioning import Provisioning

_HOLDS = """
SELECT h.attempt_id, now() - h.created_at AS age, now() - o.seen_at AS owner_silent
FROM costs_hold AS h LEFT JOIN costs_owner AS o ON o.id = h.owner LIMIT 10
"""
_OLDEST = "SELECT extract(epoch FROM now() - min(created_at)) AS age FROM costs_hold"
_SILENCE = """
UPDATE costs_owner SET seen_at = seen_at - interval '1 minute'
WHERE id IN (SELECT owner FROM costs_hold)
"""


@dataclass(slots=True)
class HoldWatch:
    """The age of the oldest hold that was seen."""

    oldest_s: float = 0.0


class ChaosInstallation(Provisioning):
    """Everything that a production machine runs, apart from workers and beat.

    A context manager. webs: the web processes, in the order of their ports. The
    simulator is the provider `simulator`, `openai`, `anthropic` and `openrouter`, each
    in its own format.
    """

    def __init__(
        self,
        folder: Path,
        *,
        unblock: Callable[[], AbstractContextManager[None]],
        web_processes: int = 2,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.postgres = OwnPostgres(folder / "postgres")
        self.redis = OwnRedis(folder / "redis")
        self.simulator = SimulatorProcess(folder / "simulator.jsonl", seed=1)
        super().__init__(
            database_url=self.postgres.url,
            journal=self.simulator.journal_path,
            unblock=unblock,
        )
        self.webs: list[WebProcess] = []
        self._count = web_processes
        self._environ = environ or {}
        self._running = ExitStack()

    def __enter__(self) -> "ChaosInstallation":
        with ExitStack() as starting:
            starting.enter_context(self.postgres)
            starting.enter_context(self.redis)
            starting.enter_context(self.simulator)
            with self.orm():
                call_command("migrate", verbosity=0, skip_checks=True)
            self._provide()
            environ = self._environment()
            for number in range(1, self._count + 1):
                web = WebProcess(f"web-{number}", folder=self.folder, environ=environ)
                web.begin()
                starting.callback(web.stop)
                self.webs.append(web)
            for web in self.webs:
                web.finish()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def serving(self) -> Sequence[str]:
        """Return the addresses of the web processes that run."""
        return [web.url for web in self.webs if web.is_alive]

    def ports(self) -> Sequence[int]:
        """Return the ports of all web processes, dead ones too, as a proxy has them."""
        return [web.port for web in self.webs]

    def verify(self) -> Verdict:
        """Let the simulator's file judge the ledger; see Verdict."""
        self.simulator.wait_for(
            lambda it: it["accepted"] - it["billed"] <= it["waiting"]
        )
        with self.orm():
            return judged(self.journal, self.rates)

    def wait_until_settled(self, *, within_s: float = 60.0) -> None:
        """Wait until no hold is open any more: the sweeper's, within 30 s of a death."""
        deadline = time.monotonic() + within_s
        while self.held():
            assert time.monotonic() < deadline, self.rows(_HOLDS)
            time.sleep(0.05)

    def held(self) -> int:
        """Return how many holds are open."""
        return int(self.rows("SELECT count(*) AS held FROM costs_hold")[0]["held"])

    @contextmanager
    def watching_holds(self) -> Iterator[HoldWatch]:
        """Look every half second how old the oldest open hold is."""
        watch = HoldWatch()
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.5):
                age_s = float(self.rows(_OLDEST)[0]["age"] or 0)
                watch.oldest_s = max(watch.oldest_s, age_s)

        thread = threading.Thread(target=look, name="holds")
        thread.start()
        try:
            yield watch
        finally:
            over.set()
            thread.join()

    def keep_asking(self, *models: str) -> None:
        """Force breakers closed, so that what fails is asked again and again."""
        with self.orm():
            from llm.models import Breaker

            for model in models:
                Breaker.objects.create(target=model, forced="closed", reason="a test")
        self.catch_up()

    def let_a_minute_pass(self) -> None:
        """Make those who hold money now silent for a minute, so that they are swept.

        For scenarios that do not wait half a minute; once nothing is under way, only
        the dead hold anything.
        """
        with psycopg.connect(self.database_url, autocommit=True) as database:
            database.execute(_SILENCE)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.installation_settings",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "DEVORA_DATA": str(self.folder / "data"),
            "WEB_CONCURRENCY": str(self._count),
            **self._environ,
        }

    def _provide(self) -> None:
        simulator = self.simulator
        for slug, kind, url in (
            ("simulator", "compatible", simulator.openai_url),
            ("openai", "openai", simulator.openai_url),
            ("anthropic", "anthropic", simulator.url),
            ("openrouter", "openrouter", simulator.openrouter_url),
        ):
            self.provider(slug, url, kind=kind)
