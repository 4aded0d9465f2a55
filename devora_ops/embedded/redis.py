"""Redis for what may be lost: cache, rate limits, channel layer, Celery messages.

On the loopback interface with a password, because every client of the project (Celery
among them) takes that kind of URL. Nothing is saved: jobs are rows in Postgres first,
and a full disk or a failed snapshot can then never make it read-only.
"""

import secrets
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from devora_ops.embedded.account import account_for_servers
from devora_ops.embedded.binaries import redis_binary
from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.ports import free_port
from devora_ops.embedded.process import Launch, Process, last_words, stop

_START_S = 20.0
_PORT_TRIES = 5

# volatile-lru: cache keys have a time to live and may go, broker keys have none.
_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass "{password}"
maxmemory 256mb
maxmemory-policy volatile-lru
save ""
appendonly no
databases 4
loglevel warning
"""


class EmbeddedRedis:
    """One Redis on a free loopback port, stopped with us; a context manager.

    folder: where it logs, made when missing. Start it from the main thread (see Launch).
    """

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self.process: Process | None = None
        self.port = 0
        self._password = password or secrets.token_urlsafe(24)
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "redis.log"
        self._account = account_for_servers()
        self.run_dir = Path(tempfile.mkdtemp(prefix="devora-"))
        self.run_dir.chmod(0o755)  # it holds nothing but copies of programs

    def __enter__(self) -> Self:
        try:
            self.start()
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
        """A URL that redis-py, Celery, channels-redis and hiredis clients take."""
        return f"redis://:{quote(self._password, safe='')}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers (some 20 ms)."""
        self._binary = redis_binary(self.run_dir, self._account)
        for _ in range(_PORT_TRIES):
            self.port = free_port()
            if self._answers(self.launch()):
                return
        raise InstallationError(
            f"Redis ended while it started ({last_words(self._log)}): see {self._log}."
        )

    def launch(self) -> Process:
        """Start the server process; again on its port, when an earlier one died."""
        self.process = Launch(
            # The configuration comes by stdin: a command line shows its password.
            argv=[str(self._binary), "-"],
            stdin=_CONFIG.format(port=self.port, password=self._password).encode(),
            log=self._log,
            cwd=Path("/"),
            account=self._account,
        ).start()
        return self.process

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            stop(self.process, by=signal.SIGTERM, grace_s=5)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def _answers(self, process: Process) -> bool:
        """Wait until it answers; False when it ended (its port was taken)."""
        deadline = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                if self._ping().startswith(b"+OK"):
                    return True
            time.sleep(0.01)
        return False

    def _ping(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as client:
            client.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            return client.recv(64)
