"""`$DEVORA_DATA`: checked to be ours, used by one supervisor at a time."""

import errno
import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from devora_ops.embedded.errors import InstallationError
from devora_ops.installation.files import read_json, write_json
from devora_ops.installation.secret_file import Secrets

_OURS = frozenset(
    {"postgres", "postgres.new", "logs", "static", "lock", "running.json"}
    | {"state.json", "simulator.jsonl", "settlements", "lost+found"}
)
_ROOM_TO_BEGIN = 256 << 20
_ROOM_TO_GO_ON = 64 << 20


class DataFolder:
    """The folder that holds everything an installation keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.was_killed = False  # who held the lock before us; known once we hold it

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make or check it; raises InstallationError when it is not ours to use."""
        folder = cls(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder._refuse_foreign()
            path.chmod(0o700)
            folder.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise InstallationError(unusable(path, error)) from error
        return folder

    @property
    def secrets(self) -> Secrets:
        """The secrets, made when missing; read anew, as children add to them."""
        try:
            return Secrets.open(self.path / "secrets")
        except OSError as error:
            raise InstallationError(unusable(self.path, error)) from error

    @property
    def is_set_up(self) -> bool:
        """Whether an earlier run has made its secrets."""
        return (self.path / "secrets").exists()

    @property
    def logs(self) -> Path:
        """Where every child's output goes."""
        return self.path / "logs"

    @property
    def cluster(self) -> Path:
        """The embedded Postgres's data."""
        return self.path / "postgres"

    @property
    def state(self) -> dict[str, Any]:
        """What earlier runs found out and the next may rely on; see `remember`."""
        return read_json(self.path / "state.json")

    def remember(self, **facts: Any) -> None:
        """Add to `state`; the caller holds the lock, or is a child of who does."""
        write_json(self.path / "state.json", self.state | facts)

    @property
    def running(self) -> dict[str, Any]:
        """What the process that holds the lock announces; empty until it does."""
        announced = read_json(self.path / "running.json")
        return announced if str(announced.get("pid")) == self.holder else {}

    def announce(self, **facts: Any) -> None:
        """Tell other commands how to reach the servers that this process runs.

        leaves: the temporary folders to remove if it is killed.
        """
        write_json(self.path / "running.json", {"pid": os.getpid(), **facts})

    def refuse_full_disk(self) -> None:
        """Raise InstallationError where a database could not be made, or not go on."""
        least = _ROOM_TO_GO_ON if self.cluster.exists() else _ROOM_TO_BEGIN
        free = shutil.disk_usage(self.path).free
        if free < least:
            raise InstallationError(
                f"only {free >> 20} MB are free on the disk that holds {self.path}: "
                f"make room for at least {least >> 20} MB."
            )

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the folder for this process; yields False when another has it.

        The kernel lets go of it when the process dies, however it dies.
        """
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            self._clean_up_after_killed()
            try:
                yield True
            finally:
                (self.path / "running.json").unlink(missing_ok=True)

    def _clean_up_after_killed(self) -> None:
        """Remove the temporary folders of a holder that had no time to."""
        running = self.path / "running.json"
        self.was_killed = running.exists()
        for left in read_json(running).get("leaves", []):
            if Path(left).name.startswith("devora-"):
                shutil.rmtree(left, ignore_errors=True)
        running.unlink(missing_ok=True)

    @property
    def holder(self) -> str:
        """The process id of who holds the lock."""
        return (self.path / "lock").read_text().strip() or "unknown"

    def _refuse_foreign(self) -> None:
        if self.is_set_up:
            owner = (self.path / "secrets").stat().st_uid
            if owner != os.geteuid():
                raise InstallationError(
                    f"{self.path} belongs to {_user(owner)}: run as that user, or set "
                    "DEVORA_DATA to a folder of your own."
                )
            return
        if (self.cluster / "PG_VERSION").exists():
            raise InstallationError(
                f"{self.path / 'secrets'} is missing, without which {self.cluster} "
                "cannot be opened: put it back from your backup."
            )
        others = sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.name not in _OURS and not entry.name.startswith((".", "beat-"))
        )
        if others:
            raise InstallationError(
                f"{self.path} is not a data folder of Devora Ops (it holds "
                f"{', '.join(others[:3])}): set DEVORA_DATA to an empty or new folder."
            )


def unusable(path: Path, error: OSError) -> str:
    """Return one sentence on why a folder cannot be used."""
    if error.errno == errno.ENOSPC:
        return f"There is no space left on the disk that holds {path}."
    reason = error.strerror or str(error)
    return (
        f"{error.filename or path} cannot be used ({reason}): set DEVORA_DATA to a "
        "folder that you may read and write."
    )


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user number {uid}"
