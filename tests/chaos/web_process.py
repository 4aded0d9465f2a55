"""A web process as `manage.py up` starts it, on a port of its own, to be killed."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.stage import cpu_s
from devora_ops.children import web_arguments
from devora_ops.embedded.ports import free_port
from devora_ops.embedded.process import Launch, Process, last_words, stop
from tests.installation_under_test import ROOT, START_S, answers
from tests.provisioning import wait_until

_STOP_S = 90.0  # longer than calls under way are given


class WebProcess:
    """One of an installation's web processes; start it from the main thread.

    log: its own; what it says there grows with every start.
    """

    def __init__(self, name: str, *, folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self.process: Process | None = None
        self._environ = {**environ, "PORT": str(self.port), "DEVORA_URL": self.url}

    def begin(self) -> None:
        """Start it; returns while it starts."""
        self.process = Launch(
            argv=[sys.executable, *web_arguments(port=self.port, processes=1)],
            log=self.log,
            env=self._environ,
            cwd=ROOT,
        ).start()

    def finish(self) -> None:
        """Wait until it can serve."""
        wait_until(self._serves, within_s=START_S)

    def start(self) -> None:
        """Start it and wait until it can serve."""
        self.begin()
        self.finish()

    def kill(self) -> None:
        """Kill it (-9) in the middle of whatever it does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM); returns at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop it as a supervisor would."""
        if self.process is not None:
            stop(self.process, by=signal.SIGTERM, grace_s=_STOP_S)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; a signal's number is negative. None while it runs."""
        assert self.process is not None
        return self.process.poll()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process is not None
        return self.process.pid

    def cpu_s(self) -> float:
        """Return the CPU time that this process has used since it started."""
        return cpu_s(self.pid)

    def rss_bytes(self) -> int:
        """Return the memory that it has in RAM."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def log_bytes(self) -> int:
        """Return how much it has logged since the installation began."""
        return self.log.stat().st_size if self.log.exists() else 0

    def _serves(self) -> bool:
        assert self.is_alive, f"{self.name} did not start: {last_words(self.log)}"
        return answers(f"{self.url}/readyz")
