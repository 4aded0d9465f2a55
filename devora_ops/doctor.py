"""`manage.py doctor`: what is wrong with an installation, and how to mend it.

Needs no Django itself, so that it can say why Django does not load. It looks at the
servers of a running `up`, or starts them to see whether they start.
"""

import datetime as dt
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg

from costs.price_age import NEWEST, Age, ages, newest_values
from devora_ops.common.crypto import FieldCipher, SealBroken
from devora_ops.dependencies import VENV, is_current
from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.ports import port_is_free
from devora_ops.installation.commands import with_servers
from devora_ops.installation.environment import ROOT, Environment
from devora_ops.installation.external import check_postgres, check_redis
from devora_ops.installation.folder import DataFolder, unusable
from devora_ops.installation.settings_check import check_settings

_PACKAGES = (
    "django",
    "uvicorn",
    "celery",
    "channels",
    "httptools",
    "numpy",
    "tiktoken",
)
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY")
_TIGHT_MB = 1024

Level = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer; a remedy belongs to what is wrong."""

    level: Level
    about: str
    says: str


Findings = Iterator[Finding]


@dataclass
class Doctor:
    """Looks at one thing after the other; later ones need the earlier ones."""

    environment: Environment
    folder: DataFolder
    running: bool = False
    _open: ExitStack = field(default_factory=ExitStack)

    def examine(self) -> Findings:
        """Yield findings until one makes the rest impossible."""
        yield from self._programs()
        yield from self._data()
        with self._open:
            yield from self._servers()
            yield from self._database()
            yield from self._providers()
            yield from self._prices()
            yield from self._processes()

    def _programs(self) -> Findings:
        yield Finding("ok", "Python", sys.version.split()[0])
        missing = [name for name in _PACKAGES if not importlib.util.find_spec(name)]
        lock = ROOT / "requirements.lock"
        if missing:
            yield _wrong(
                "packages", f"{', '.join(missing)} missing: run `make install`"
            )
        elif Path(sys.prefix) == VENV and not is_current(lock):
            yield _wrong("packages", f"not those of {lock.name}: run `make install`")
        else:
            yield Finding("ok", "packages", "all there")

    def _data(self) -> Findings:
        path = self.folder.path
        DataFolder.open(path)
        self.folder.secrets.export(os.environ)
        yield Finding("ok", "data folder", str(path))
        mode = (path / "secrets").stat().st_mode & 0o777
        if mode & 0o077:
            yield _wrong("secrets", f"others may read them: chmod 600 '{path}/secrets'")
        free = shutil.disk_usage(path).free >> 20
        level: Level = "note" if free < _TIGHT_MB else "ok"
        yield Finding(level, "disk", f"{free} MB free")
        check_settings()
        yield Finding("ok", "settings", "all readable")

    def _servers(self) -> Findings:
        self.running = bool(self.folder.running.get("shared"))
        if not (self.environment.database_url and self.environment.redis_url):
            self._open.enter_context(with_servers(self.folder, self.environment))
        check_postgres(os.environ["DATABASE_URL"])
        yield Finding("ok", "Postgres", _postgres_version(os.environ["DATABASE_URL"]))
        policy = check_redis(os.environ["REDIS_URL"])
        if policy.startswith("allkeys"):
            yield _wrong(
                "Redis",
                f"its policy {policy} throws jobs away when it is full: "
                "CONFIG SET maxmemory-policy volatile-lru",
            )
        else:
            yield Finding("ok", "Redis", f"maxmemory-policy {policy or 'not told'}")

    def _database(self) -> Findings:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--check", "--verbosity", "0"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            yield Finding("ok", "migrations", "all applied")
        elif "Error" in done.stderr:
            reason = done.stderr.strip().splitlines()[-1]
            yield _wrong("migrations", f"cannot be checked ({reason})")
        else:
            yield _wrong("migrations", "some are pending: run `manage.py bootstrap`")

    def _providers(self) -> Findings:
        """Say which keys are there, and whether the stored ones open."""
        given = [name for name in _KEYS if os.environ.get(name)]
        if not given:
            yield Finding("note", "provider keys", "none in the environment")
        cipher = FieldCipher(os.environ["DEVORA_FIELD_KEYS"].split(","))
        for slug, sealed in _sealed_secrets(os.environ["DATABASE_URL"]):
            try:
                cipher.unseal(sealed, owner=f"llm_provider:{slug}")
            except SealBroken as error:
                yield _wrong(
                    f"provider {slug}",
                    f"its key {error}: put the former DEVORA_FIELD_KEYS back, or enter "
                    "the key again",
                )
            else:
                yield Finding("ok", f"provider {slug}", "its key opens")

    def _prices(self) -> Findings:
        """Say how old the price book is: an old price bills wrongly, and in silence."""
        now = dt.datetime.now(dt.UTC)
        known = _price_ages(os.environ["DATABASE_URL"])
        old = [
            f"{age.provider} {age.days(now)} days" for age in known if age.is_old(now)
        ]
        if old:
            says = (
                f"old ({', '.join(old[:10])}): import newer ones on the Price book page"
            )
            yield Finding("note", "prices", says)
        elif known:
            newest = max(known, key=lambda age: age.as_of)
            yield Finding("ok", "prices", f"newest {newest.days(now)} days old")

    def _processes(self) -> Findings:
        # What runs may have been started with another PORT than this command.
        port = self.folder.running.get("port", self.environment.port)
        if not self.running:
            if port_is_free(port):
                yield Finding("note", "web", f"not running; port {port} is free")
            else:
                yield _wrong("web", f"another program has port {port}: set PORT")
            return
        if _status(port, "/readyz") == 200:
            yield Finding("ok", "web", f"ready on port {port}")
        else:
            yield _wrong("web", f"not ready: see {self.folder.logs}/web.log")
        yield _answering("simulator", _simulator_answers(self.folder), self.folder.logs)
        yield _answering("worker", _worker_answers(), self.folder.logs)


def run() -> int:
    """Print the findings; 1 when something is wrong."""
    wrong = 0
    for finding in _examine():
        wrong += finding.level == "wrong"
        sys.stdout.write(f"{finding.level:<6} {finding.about}: {finding.says}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


def _examine() -> Findings:
    try:
        environment = Environment.read()
        yield from Doctor(environment, DataFolder(environment.data)).examine()
    except InstallationError as error:
        yield Finding("wrong", "installation", str(error))
    except psycopg.Error as error:
        yield Finding("wrong", "Postgres", str(error).strip())
    except OSError as error:
        yield Finding("wrong", "data folder", unusable(environment.data, error))


def _wrong(about: str, says: str) -> Finding:
    return Finding("wrong", about, f"{says}.")


def _answering(name: str, answers: bool, logs: Path) -> Finding:
    if answers:
        return Finding("ok", name, "answers")
    return _wrong(name, f"does not answer: see {logs}/{name}.log")


def _postgres_version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "unknown"


def _sealed_secrets(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        try:
            return connection.execute(
                "SELECT slug, sealed_secret FROM llm_provider WHERE sealed_secret <> ''"
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            return []  # said by `migrations`


def _price_ages(url: str) -> list[Age]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        try:
            return ages(connection.execute(NEWEST, newest_values()).fetchall())
        except psycopg.errors.UndefinedTable:
            return []  # said by `migrations`


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _simulator_answers(folder: DataFolder) -> bool:
    port = folder.state.get("simulator_port")
    return isinstance(port, int) and _status(port, "/v1/models") == 200


def _worker_answers() -> bool:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "devora_ops.settings")
    from devora_ops.celery import app  # loads settings

    ping: Callable[..., list[object]] = app.control.ping
    return bool(ping(timeout=2))
