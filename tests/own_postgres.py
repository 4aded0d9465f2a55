"""A Postgres of a test module's own, which it may stop and freeze."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devora_ops.embedded import EmbeddedPostgres
from devora_ops.embedded.process import stop
from tests.installation_under_test import ROOT


@contextmanager
def migrated_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Run one with our tables."""
    with EmbeddedPostgres(folder / "postgres", durable=False) as running:
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
def stopped(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Have it gone for a while: it refuses connections."""
    assert postgres.process is not None
    stop(postgres.process, by=signal.SIGINT, grace_s=30)
    try:
        yield
    finally:
        postgres.launch()
        postgres.finish()


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Have it stand still for a while: it neither answers nor closes anything."""
    assert postgres.process is not None
    postmaster = postgres.process.pid
    os.kill(postmaster, signal.SIGSTOP)
    backends = _children(postmaster)  # no other is added any more
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (*backends, postmaster):
            os.kill(pid, signal.SIGCONT)


def _children(parent: int) -> list[int]:
    """Return the backends: each leads a group of its own."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, ppid in rows if int(ppid) == parent]
