"""A Postgres of a test's own, durable as in production, which it may stop in every way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from devora_ops.embedded import EmbeddedPostgres
from tests.installation_under_test import ROOT


class OwnPostgres(EmbeddedPostgres):
    """Paused, it neither answers nor closes anything; halted or crashed, it is gone."""

    def pause(self) -> None:
        """Have all its processes stand still in the middle of whatever they do."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def halt(self) -> None:
        """Shut it down: it closes its connections and writes down what it knows."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def crash(self) -> None:
        """Kill all its processes at once."""
        assert self.process is not None
        self._send(signal.SIGKILL)
        self.process.wait(10)

    def restart(self) -> None:
        """Start it again on its socket, and wait until it takes connections."""
        self.launch()
        self.finish()

    def stop(self) -> None:
        """End it, also when it stands still."""
        self.resume()
        super().stop()

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _processes(self) -> Iterator[psutil.Process]:
        """Yield the postmaster first: it would replace those that die."""
        if self.process is not None and self.process.poll() is None:
            postmaster = psutil.Process(self.process.pid)
            children = postmaster.children(recursive=True)
            yield postmaster
            yield from children


@contextmanager
def migrated_postgres(folder: Path) -> Iterator[OwnPostgres]:
    """Run one with our tables."""
    with OwnPostgres(folder / "postgres", durable=False) as running:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.installation_settings",
                "DATABASE_URL": running.url,
                "DEVORA_DATA": str(folder / "data"),
            },
            check=True,
        )
        yield running


@contextmanager
def stopped(postgres: OwnPostgres) -> Iterator[None]:
    """Have it gone for a while: it refuses connections."""
    postgres.halt()
    try:
        yield
    finally:
        postgres.restart()


@contextmanager
def frozen(postgres: OwnPostgres) -> Iterator[None]:
    """Have it stand still for a while: it neither answers nor closes anything."""
    postgres.pause()
    try:
        yield
    finally:
        postgres.resume()
