"""The environment a management command runs in: secrets, and servers when it needs them.

Without DATABASE_URL or REDIS_URL it uses the embedded servers of a running `up`, or
starts them for its own duration.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from devora_ops.embedded.binaries import psql_folder
from devora_ops.embedded.errors import InstallationError
from devora_ops.installation.environment import Environment
from devora_ops.installation.folder import DataFolder
from devora_ops.installation.secret_file import throwaway
from devora_ops.installation.servers import Servers, export_urls
from devora_ops.installation.settings_check import check_settings

# These read no database: they run on a machine that has none.
_NEED_NO_SERVERS = frozenset(
    {"help", "version", "check", "makemigrations", "decide", "price_usage"}
    | {"collectstatic", "findstatic", "makemessages", "compilemessages"}
    | {"spectacular", "diffsettings", "startapp", "testserver", "test"}
)
_WAIT_S = 60.0


@contextmanager
def prepared(argv: Sequence[str]) -> Iterator[None]:
    """Set os.environ for one command, for as long as the context lasts.

    Raises InstallationError: one sentence, nothing left running.
    """
    environment = Environment.read()
    if not _needs_servers(argv):
        _export_secrets(environment)
        check_settings()
        yield
        return
    folder = DataFolder.open(environment.data)
    folder.secrets.export(os.environ)
    check_settings()
    if environment.database_url and environment.redis_url:
        yield
        return
    with with_servers(folder, environment):
        if argv[1] == "dbshell":
            _let_psql_connect()
        yield


def _needs_servers(argv: Sequence[str]) -> bool:
    command = argv[1] if len(argv) > 1 else "help"
    asks_for_help = command.startswith("-") or not {"-h", "--help"}.isdisjoint(argv)
    return command not in _NEED_NO_SERVERS and not asks_for_help


def _export_secrets(environment: Environment) -> None:
    """Take the installation's secrets when it has some, others when it has none."""
    folder = DataFolder(environment.data)
    if folder.is_set_up and os.access(folder.path / "secrets", os.R_OK):
        folder.secrets.export(os.environ)
        return
    for name, value in throwaway():
        os.environ[name] = os.environ.get(name) or value


@contextmanager
def with_servers(folder: DataFolder, environment: Environment) -> Iterator[None]:
    """Use the servers of whoever runs them, or run them."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        with folder.locked() as mine:
            if mine:
                with _own_servers(folder, environment):
                    yield
                return
        running = folder.running
        if running.get("shared"):
            export_urls(
                os.environ, str(running["database_url"]), str(running["redis_url"])
            )
            yield
            return
        time.sleep(0.05)
    raise InstallationError(
        f"Process {folder.holder} has been using {folder.path} for a minute: wait until "
        "it ends, or stop it."
    )


def _let_psql_connect() -> None:
    """Say where the socket is: Django does not pass it on to psql."""
    query = parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)
    if host := query.get("host"):
        os.environ["PGHOST"] = host[0]
        if programs := psql_folder():
            os.environ["PATH"] += f"{os.pathsep}{programs}"


@contextmanager
def _own_servers(folder: DataFolder, environment: Environment) -> Iterator[None]:
    sys.stderr.write("Starting Postgres and Redis for this command.\n")
    servers = Servers(folder, environment)
    try:
        servers.begin()
        servers.export(os.environ)
        servers.finish()
        folder.announce(shared=False, leaves=servers.temporary_folders)
        yield
    finally:
        servers.stop()
