"""The machine as a benchmark lays it out: what is measured alone on one core.

Everything else (callers, upstream, Postgres) shares the other cores. Where processes
cannot be pinned (macOS), or there is one core, the scheduler decides, and we say so.
"""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from devora_ops.embedded.ports import free_port
from devora_ops.embedded.process import Launch, Process, last_words, stop

ROOT = Path(__file__).resolve().parents[1]
_START_S = 120.0  # one that died is noticed at once
_STOP_S = 10.0


class BenchmarkError(Exception):
    """Why nothing can be measured, in a sentence."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of ours."""

    name: str
    port: int
    process: Process

    def cpu_s(self) -> float:
        """Return the CPU time it has used so far."""
        return cpu_s(self.process.pid)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and of all that it started, dead or alive."""
    root = psutil.Process(pid)
    mine = root.cpu_times()
    total = float(mine.user + mine.system + mine.children_user + mine.children_system)
    for child in root.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


class Stage:
    """A temporary folder, and servers that end with the benchmark; a context manager."""

    def __init__(self) -> None:
        self._cores = sorted(_affinity())
        self._measured = self._cores[-1:]
        self._others = self._cores[:-1] or self._cores
        self.running = ExitStack()
        self.folder = Path()

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(
            prefix="devora-bench-", ignore_cleanup_errors=True
        )
        self.folder = Path(self.running.enter_context(folder))
        self.running.callback(_pin, self._cores)
        _pin(self._others)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.running.close()

    def describe(self) -> str:
        """Say how the machine is shared out."""
        if not _CAN_PIN:
            return f"{len(self._cores)} cores, nothing pinned"
        if len(self._cores) == 1:
            return "one core for everything: only CPU times mean something"
        return f"what is measured on 1 core, the rest on {len(self._others)}"

    def serve(
        self,
        name: str,
        *arguments: str,
        measured: bool = False,
        environ: Mapping[str, str] | None = None,
        python: Path | None = None,
    ) -> Server:
        """Start `python <arguments>`, {port} being a free one; return once it listens.

        python: of another environment. Such a stranger knows nothing of ours: it is
        given `environ` alone and works in the stage's folder.
        """
        port = free_port()
        words = [argument.format(port=port) for argument in arguments]
        launch = self._launch(name, words, environ)
        if python is not None:
            launch = replace(
                launch,
                argv=[str(python), *words],
                env={**(environ or {}), "HOME": str(self.folder)},
                cwd=self.folder,
            )
        with self._on(self._measured if measured else self._others):
            process = launch.start()
        self.running.callback(stop, process, by=signal.SIGTERM, grace_s=_STOP_S)
        deadline = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"{name} did not start: {last_words(launch.log)}")
            time.sleep(0.02)
        return Server(name, port, process)

    def run(
        self,
        name: str,
        *arguments: str,
        measured: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Run `python <arguments>` to its end; return what it wrote."""
        launch = self._launch(name, arguments, environ)
        with self._on(self._measured if measured else self._others):
            process = launch.start()
        self.running.callback(stop, process, by=signal.SIGTERM, grace_s=_STOP_S)
        if process.wait() != 0:
            raise BenchmarkError(f"{name} failed: {last_words(launch.log, lines=5)}")
        return launch.log.read_text()

    def _launch(
        self, name: str, arguments: Iterable[str], environ: Mapping[str, str] | None
    ) -> Launch:
        return Launch(
            argv=[sys.executable, *arguments],
            log=self.folder / f"{name}.log",
            env={**os.environ, **(environ or {})},
            cwd=ROOT,
        )

    @contextmanager
    def _on(self, cores: list[int]) -> Iterator[None]:
        """Pin what is started meanwhile: children inherit it, with all their threads."""
        _pin(cores)
        try:
            yield
        finally:
            _pin(self._others)


_CAN_PIN = hasattr(os, "sched_setaffinity")


def _affinity() -> Iterable[int]:
    return os.sched_getaffinity(0) if _CAN_PIN else range(os.cpu_count() or 1)


def _pin(cores: Iterable[int]) -> None:
    if _CAN_PIN:
        os.sched_setaffinity(0, cores)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
