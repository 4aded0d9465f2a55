"""A Postgres cluster on disk: checked, made once, and reachable for its account."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devora_ops.embedded.account import Account
from devora_ops.embedded.binaries import POSTGRES_MAJOR
from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.process import Launch, Process, kill_group, last_words

_MAKE_S = 120.0
_FORMER_SERVER_S = 30.0

# One locale on every machine: indexes survive a move, and no locale need be installed.
_INITDB = [
    *("--username=postgres", "--encoding=UTF8", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    *("--auth-local=scram-sha-256", "--auth-host=reject", "--data-checksums"),
    "--no-sync",  # once, at the end
]

# The product's role is no superuser. The extension is in template1, so that databases
# made later (a restore's, a test's) have it too; CREATEDB is for those.
_FIRST_SQL = """\
CREATE EXTENSION vector;

CREATE ROLE devora LOGIN CREATEDB PASSWORD {password};

CREATE DATABASE devora OWNER devora;

"""


@dataclass(kw_only=True)
class Cluster:
    """One data folder of Postgres; `path` exists only when it is complete."""

    path: Path
    run_dir: Path
    binaries: Path
    account: Account | None
    password: str
    log: Path
    durable: bool
    _making: Process | None = None
    _folders: list[int] = field(default_factory=list)

    @property
    def exists(self) -> bool:
        """Whether it has been made."""
        return (self.path / "PG_VERSION").exists()

    @property
    def _unfinished(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def check(self) -> None:
        """Raise InstallationError when the folder is not a cluster of ours."""
        if not self.exists:
            if self.path.exists() and any(self.path.iterdir()):
                raise InstallationError(
                    f"{self.path} holds files that are no Postgres cluster: choose "
                    "another DEVORA_DATA, or move them away."
                )
            return
        major = (self.path / "PG_VERSION").read_text().strip()
        if major != POSTGRES_MAJOR:
            raise InstallationError(
                f"{self.path} was made by Postgres {major}, but this is Postgres "
                f"{POSTGRES_MAJOR}: choose another DEVORA_DATA, or dump it with "
                f"Postgres {major} and restore it here."
            )

    def begin_making(self) -> None:
        """Start initdb in a folder beside `path`; a broken earlier try is removed."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(mode=0o700, parents=True)
        password = self.run_dir / "password"
        password.touch(mode=0o600)
        password.write_text(self.password)
        if self.account:
            for path in (self._unfinished, password):
                os.chown(path, self.account.uid, self.account.gid)
        options = [*_INITDB, f"--pwfile={password}"]
        self._making = self._launch("initdb", options, self._unfinished).start()

    def finish_making(self) -> None:
        """Wait for initdb, put roles and database in, and move it into place."""
        self._wait_for(self._making)
        (self.run_dir / "password").unlink()
        quoted = "'" + self.password.replace("'", "''") + "'"
        sql = _FIRST_SQL.format(password=quoted).encode()
        fill = ["--single", "-j", "-F", "template1"]
        self._wait_for(self._launch("postgres", fill, self._unfinished, sql).start())
        if self.durable:
            sync = self._launch("initdb", ["--sync-only"], self._unfinished)
            self._wait_for(sync.start())
        self._unfinished.rename(self.path)  # over an empty folder at most

    def server(self, settings: dict[str, str]) -> Launch:
        """Return how to run the server on it."""
        options = [f"-c{name}={value}" for name, value in settings.items()]
        return self._launch("postgres", options, self.path)

    def is_ready(self, pid: int) -> bool:
        """Whether the server process with that id takes connections."""
        lines = self._pid_file_lines()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7] == "ready"

    def clear_former_server(self) -> None:
        """Wait until the server of an earlier run is gone, and forget a dead one.

        A run that was killed leaves a server that is just shutting down, or (after a
        reboot) a file with the id of a process that is somebody else's by now, at
        which Postgres would refuse to start.
        """
        deadline = time.monotonic() + _FORMER_SERVER_S
        asked_after = time.monotonic() + 2
        while (pid := self._serving_pid()) is not None:
            if time.monotonic() > asked_after:  # no kernel told it that we had died
                os.kill(pid, signal.SIGINT)
                asked_after = deadline
            if time.monotonic() > deadline:
                raise InstallationError(
                    f"Another Postgres (process {pid}) still serves {self.path}: stop "
                    "it first."
                )
            time.sleep(0.05)
        (self.path / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """Stop what is being made and let go of the folders."""
        if self._making is not None:
            kill_group(self._making)
        while self._folders:
            os.close(self._folders.pop())

    def _launch(
        self, program: str, options: list[str], folder: Path, stdin: bytes = b""
    ) -> Launch:
        return Launch(
            argv=[str(self.binaries / program), *options],
            log=self.log,
            env={
                "PATH": os.defpath,
                "LC_ALL": "C",
                "TZ": "UTC",
                "PGDATA": self._address(folder),
            },
            cwd=Path("/"),
            account=self.account,
            keep_fds=self._folders,
            dies_by=signal.SIGINT,  # a fast shutdown
            stdin=stdin,
        )

    def _address(self, folder: Path) -> str:
        """Return a path by which the account can enter its folder.

        As root the folder may lie under parents that the account cannot enter, so it
        gets the folder itself, opened by us; it needs no path to it then.
        """
        if self.account is None or sys.platform != "linux":
            return str(folder)
        self._folders.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        return f"/proc/self/fd/{self._folders[-1]}"

    def _wait_for(self, process: Process | None) -> None:
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_MAKE_S)
        if process.poll() != 0:
            kill_group(process)
            raise InstallationError(explained_failure(self.path, self.log))

    def _serving_pid(self) -> int | None:
        """Return the id of a live server whose working directory is this cluster."""
        lines = self._pid_file_lines()
        if not lines or not lines[0].isdigit():
            return None
        import psutil  # only after an unclean stop

        try:
            process = psutil.Process(int(lines[0]))
            serves = os.path.samefile(process.cwd(), self.path)
        except (psutil.Error, OSError):
            return None
        return process.pid if serves else None

    def _pid_file_lines(self) -> list[str]:
        try:
            text = (self.path / "postmaster.pid").read_text()
        except OSError:
            return []
        return [line.strip() for line in text.splitlines()]


def explained_failure(path: Path, log: Path, *, since: int = 0) -> str:
    """Return one sentence on why Postgres ended, from what it logged."""
    said = last_words(log, since=since)
    if "No space left" in said:
        return f"There is no space left on the disk that holds {path}."
    if "Permission denied" in said:
        return (
            f"Postgres may not use {path} ({said}): set DEVORA_DATA to another folder."
        )
    return f"Postgres ended while it started ({said or 'without a word'}): see {log}."
