"""`manage.py up`: everything that an installation runs, in one terminal.

Runs no Django itself: it sets and checks the environment, starts Postgres and Redis, has a child
prepare the database when something changed, and then keeps the children alive.
"""

import http.client
import os
import shlex
import sys
import time

from devora_ops import children
from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.ports import free_port, port_is_free
from devora_ops.embedded.process import Process, end_with_make, last_words
from devora_ops.installation import fingerprints
from devora_ops.installation.environment import ROOT, Environment
from devora_ops.installation.folder import DataFolder, unusable
from devora_ops.installation.secret_file import (
    AGENT_KEY,
    OWNER,
    OWNER_PASSWORD,
    Secrets,
)
from devora_ops.installation.servers import Servers
from devora_ops.installation.settings_check import check_settings
from devora_ops.supervisor import StopRequestedError, Supervisor, say

_PORT_S = 12.0
_WEB_S = 60.0


def run() -> int:
    """Run until stopped; returns the exit code."""
    started = time.monotonic()
    end_with_make()
    try:
        environment = Environment.read()
        folder = DataFolder.open(environment.data)
        with folder.locked() as mine:
            if not mine:
                raise InstallationError(_already_runs(folder))
            Installation(environment, folder, started).run()
    except InstallationError as error:
        say(f"Devora Ops cannot start: {error}")
        return 1
    except OSError as error:
        say(f"Devora Ops cannot go on: {unusable(environment.data, error)}")
        return 1
    return 0


class Installation:
    """One run: its servers, its children, and the order in which they come and go."""

    def __init__(
        self, environment: Environment, folder: DataFolder, started: float
    ) -> None:
        self._environment = environment
        self._folder = folder
        self._started = started
        self._servers = Servers(folder, environment)
        self._supervisor = Supervisor(say=say, logs=folder.logs)
        self._static: Process | None = None

    def run(self) -> None:
        """Start everything, keep it alive, and stop it when a signal comes."""
        self._supervisor.take_signals()
        try:
            with self._supervisor.interruptible():
                self._folder.refuse_full_disk()
                self._folder.secrets.export(os.environ)
                check_settings()
                self._take_port()
                self._start_servers()
            is_prepared = self._prepare_database()
            self._start_web()
            self._introduce()
            self._start_others()
            if not is_prepared:
                self._follow_environment()
            self._keep_running()
        except StopRequestedError:
            say("Stopping.")
        finally:
            self._supervisor.stop()
            self._servers.stop()

    def _take_port(self) -> None:
        """Refuse a taken port before anything is started.

        Children of a run that was killed may still be leaving it.
        """
        deadline = time.monotonic() + (_PORT_S if self._folder.was_killed else 0)
        while (reason := _why_not(self._environment.port)) is not None:
            if time.monotonic() >= deadline:
                raise InstallationError(reason)
            time.sleep(0.1)

    def _start_servers(self) -> None:
        self._servers.begin()
        self._servers.export(os.environ)
        self._static = self._begin_static_files()  # needs no server that answers
        self._servers.finish()
        for child in children.servers(self._folder, self._servers):
            self._supervisor.add(child)
        self._folder.announce(
            shared=True,
            database_url=self._servers.database_url,
            redis_url=self._servers.redis_url,
            port=self._environment.port,
            leaves=self._servers.temporary_folders,
        )

    def _prepare_database(self) -> bool:
        """Migrate, and collect static files beside it, if anything changed.

        True when owner, key and providers were seen to as well; else they are in order
        but for what may have changed in the environment, and nobody need wait for it.
        """
        moved = self._start_simulator()
        prepared = True
        if self._folder.state.get("migrated") != self._migrations():
            say("Preparing the database.")
            self._finish("bootstrap", self._manage("bootstrap"))
            self._folder.remember(migrated=self._migrations())
        elif moved or self._folder.secrets.get(AGENT_KEY) is None:
            self._finish("bootstrap", self._manage("bootstrap", "--skip-migrate"))
        else:
            prepared = False
        if self._static is not None:
            self._finish("collectstatic", self._static)
            self._folder.remember(static=fingerprints.of_static_files())
        return prepared

    def _migrations(self) -> list[str]:
        return fingerprints.of_migrations(self._servers.database_url)

    def _begin_static_files(self) -> Process | None:
        collected = (self._folder.path / "static" / "staticfiles.json").exists()
        known = self._folder.state.get("static")
        if collected and known == fingerprints.of_static_files():
            return None
        return self._manage("collectstatic", "--noinput", "--verbosity", "0")

    def _manage(self, command: str, *options: str) -> Process:
        return children.manage(self._folder, command, command, *options).start()

    def _finish(self, command: str, process: Process) -> None:
        if self._supervisor.run(process) != 0:
            log = self._folder.logs / f"{command}.log"
            raise InstallationError(
                f"manage.py {command} failed ({last_words(log)}): see {log}."
            )

    def _start_simulator(self) -> bool:
        """Start it where it was, or elsewhere when that is taken; True if it moved."""
        former = self._folder.state.get("simulator_port")
        if isinstance(former, int) and _why_not(former) is None:
            port = former
        else:
            port = free_port()
        self._folder.remember(simulator_port=port)
        here = f"127.0.0.1:{port}"
        os.environ["DEVORA_SIMULATOR_URL"] = f"http://{here}/v1"
        allowed = os.environ.get("DEVORA_ALLOWED_INTERNAL_HOSTS", "")
        hosts = ",".join(filter(None, (allowed, here)))
        os.environ["DEVORA_ALLOWED_INTERNAL_HOSTS"] = hosts
        self._supervisor.add(children.simulator(self._folder, port))
        return port != former

    def _start_web(self) -> None:
        """Start it alone: people wait for it, and the cores are few."""
        self._supervisor.add(children.web(self._folder, self._environment))
        if not self._supervisor.wait_until(self._page_is_served, within_s=_WEB_S):
            say(f"The web process does not answer yet: see {self._folder.logs}.")
            self._supervisor.wait_until(self._page_is_served)

    def _start_others(self) -> None:
        self._supervisor.add(children.worker(self._folder))
        self._supervisor.add(children.beat(self._folder))

    def _follow_environment(self) -> None:
        """Bring providers in line with keys that came or went since the last run."""
        try:
            self._finish("bootstrap", self._manage("bootstrap", "--skip-migrate"))
        except InstallationError as error:
            say(str(error))

    def _page_is_served(self) -> bool:
        return _answers(self._environment.port, "/healthz") and _answers(
            self._environment.port, "/admin/login/"
        )

    def _introduce(self) -> None:
        secrets = Secrets.open(self._folder.secrets.path)  # bootstrap added the key
        program = shlex.join([sys.executable, str(ROOT / "manage.py"), "dbshell"])
        sys.stdout.write(
            f"\n  Address    {self._environment.url}/\n"
            f"  Login      {secrets[OWNER]}\n"
            f"  Password   {secrets[OWNER_PASSWORD]}\n"
            f"  Agent key  {secrets.get(AGENT_KEY)}\n"
            f"  Data       {self._folder.path}\n"
            f"  psql       {program}\n\n"
            "For agents, and the examples of README.md:\n\n"
            f"  export DEVORA_URL={shlex.quote(self._environment.url)}\n"
            f"  export DEVORA_API_KEY={secrets.get(AGENT_KEY)}\n\n"
            f"Devora Ops is ready in {time.monotonic() - self._started:.1f} s. "
            "Ctrl-C stops it.\n"
        )
        sys.stdout.flush()

    def _keep_running(self) -> None:
        if self._environment.demo:
            if "demo" not in self._folder.state:
                self._load_demo()
            if "demo" in self._folder.state:
                self._supervisor.add(children.trickle(self._folder))
        self._supervisor.wait_until(lambda: False)

    def _load_demo(self) -> None:
        process = children.manage(self._folder, "demo", "demo", "load").start()
        try:
            self._finish("demo", process)
        except InstallationError as error:
            say(f"There is no demo data: {error}")
        else:
            self._folder.remember(demo="loaded")


def _already_runs(folder: DataFolder) -> str:
    port = folder.running.get("port")
    where = f" on port {port}" if port else ""
    return (
        f"process {folder.holder} already uses {folder.path}{where}: stop it, or set "
        "DEVORA_DATA to another folder."
    )


def _why_not(port: int) -> str | None:
    """Return why nobody can listen on a loopback port now; None when one can."""
    try:
        if port_is_free(port):
            return None
    except PermissionError:
        return f"port {port} needs more rights: choose one above 1023 by PORT."
    return (
        f"port {port} is taken by another program: stop that, or choose another port by "
        "PORT."
    )


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
