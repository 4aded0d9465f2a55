"""Processes that never outlive the one that started them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devora_ops.embedded.account import Account
from devora_ops.embedded.log_reading import LogLine, read_line

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a process is started.

    dies_by: the signal that the kernel sends it when its parent dies, however it
    dies (Linux). It holds only for children of the main thread: the kernel counts
    the death of the thread that forked, so always start them from there.
    """

    argv: list[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    keep_fds: Iterable[int] = ()
    dies_by: signal.Signals = signal.SIGTERM
    stdin: bytes = b""

    def start(self) -> Process:
        """Start it in a process group of its own, so that Ctrl-C reaches only us."""
        with self.log.open("ab", buffering=0) as log:
            process = self._popen(log)
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(self.stdin)
        return process

    def _popen(self, log: IO[bytes]) -> Process:
        account = self.account
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE if self.stdin else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(self.env) if self.env is not None else None,
            cwd=self.cwd,
            pass_fds=tuple(self.keep_fds),
            process_group=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with_parent(self.dies_by),
        )


def die_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before exec so that it gets a signal when we die."""
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, sent.value)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return before_exec


def end_with_make() -> None:
    """Have the kernel end us when the `make` that runs us is killed.

    Without it, killing make leaves what its recipe started.
    """
    parent = Path(f"/proc/{os.getppid()}/comm")
    if _libc is None or "MAKELEVEL" not in os.environ or not parent.exists():
        return
    if parent.read_text().strip() in {"make", "gmake"}:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM.value)


def stop(process: Process, *, by: signal.Signals, grace_s: float) -> None:
    """Ask a process to stop, and kill its whole group when it does not in time."""
    if process.poll() is not None:
        return
    process.send_signal(by)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    kill_group(process)


def kill_group(process: Process) -> None:
    """Kill what is left of a process and of those that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_words(log: Path, *, since: int = 0, lines: int = 1) -> str:
    """Return the last lines a process logged after a byte offset, errors first."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(since)
        said = [read_line(line) for line in file.read().strip().splitlines()]
        last = (list(_errors(said)) or [line.text for line in said])[-lines:]
        return "\n".join(last)
    return ""


def _errors(lines: Iterable[LogLine]) -> Iterator[str]:
    """Yield the lines that are errors, of a traceback the one that names it."""
    in_traceback = False
    for line in lines:
        text = line.text
        if text.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and text and not text[0].isspace():
            in_traceback = False
            yield text
        elif not in_traceback and (line.is_error or _says_error(line)):
            yield text


def _says_error(line: LogLine) -> bool:
    return not line.is_ours and "error:" in line.text.lower()
