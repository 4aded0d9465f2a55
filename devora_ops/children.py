"""What `up` keeps running beside the servers, and how each is started."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from devora_ops.embedded.process import Launch, Process
from devora_ops.installation.environment import ROOT, Environment
from devora_ops.installation.folder import DataFolder
from devora_ops.installation.servers import Servers
from devora_ops.orphans import SUPERVISOR
from devora_ops.supervisor import Child

# Stopped from the highest to the lowest: who serves, who works, what both stand on.
_SERVES, _WORKS, _CARRIES, _KEEPS = 3, 2, 1, 0

WEB_GRACE_S = 60  # for calls under way
_WEB_STOPS_S = 9  # for what is written after them


def python(folder: DataFolder, name: str, *arguments: str) -> Launch:
    """Return how to run a Python program of ours; it logs under its name."""
    return Launch(
        argv=[sys.executable, *arguments],
        log=folder.logs / f"{name}.log",
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "devora_ops.settings",
            "PYTHONUNBUFFERED": "1",
            # Each imports some thousand files: compiling them takes longer than all else.
            "PYTHONDONTWRITEBYTECODE": "",
        },
        cwd=ROOT,
    )


def manage(folder: DataFolder, name: str, *arguments: str) -> Launch:
    """Return how to run a management command."""
    return python(folder, name, "manage.py", *arguments)


def servers(folder: DataFolder, running: Servers) -> list[Child]:
    """Return the embedded servers, which run already."""
    children = []
    if running.postgres and running.postgres.process:
        children.append(
            Child(
                "postgres",
                running.postgres.launch,
                folder.logs / "postgres.log",
                _KEEPS,
                stop_by=signal.SIGINT,  # a fast shutdown
                grace_s=30,
                process=running.postgres.process,
            )
        )
    if running.redis and running.redis.process:
        children.append(
            Child(
                "redis",
                running.redis.launch,
                folder.logs / "redis.log",
                _CARRIES,
                process=running.redis.process,
            )
        )
    return children


def web_arguments(*, port: int, processes: int) -> list[str]:
    """Return what Python is started with to serve the web on the loopback interface."""
    options = {
        "--host": "127.0.0.1",
        "--port": port,
        "--workers": processes,
        # As many as Linux lets wait: one more would try again only after a second.
        "--backlog": 4096,
        "--lifespan": "on",
        "--log-level": "warning",
        "--timeout-graceful-shutdown": WEB_GRACE_S,
        # Longer than clients keep idle connections, or they would write into closed ones.
        "--timeout-keep-alive": 75,
        "--loop": "devora_ops.listening:Loop",
        "--http": "devora_ops.http_protocol:GuardedProtocol",
        "--ws": "devora_ops.handshakes:HandshakeProtocol",
        "--ws-max-size": 65_536,
    }
    return [
        *("-m", "uvicorn", "devora_ops.asgi:application"),
        *(str(word) for option in options.items() for word in option),
        *("--no-access-log", "--no-server-header"),
    ]


def web(folder: DataFolder, environment: Environment) -> Child:
    """The pages, the REST interface, the sockets and the gateway."""
    if environment.web_processes > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_emptied(folder.path / "metrics"))
    arguments = web_arguments(
        port=environment.port, processes=environment.web_processes
    )
    launch = python(folder, "web", *arguments)
    if sys.platform == "linux":  # nowhere else is an orphan told that it is one
        launch = replace(
            launch, env={**(launch.env or {}), SUPERVISOR: str(os.getpid())}
        )
    child = _child(launch, stage=_SERVES, grace_s=WEB_GRACE_S + _WEB_STOPS_S)
    child.stops_slowly = (
        f"Calls under way have {WEB_GRACE_S} s to end; stop once more to end them now."
    )
    return child


def _emptied(folder: Path) -> Path:
    """Return a folder without the counts of processes that are gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def worker(folder: DataFolder) -> Child:
    """Celery's worker; threads, so that killing it leaves no process behind."""
    return _child(
        python(
            folder,
            "worker",
            *("-m", "celery", "-q", "-A", "devora_ops", "worker"),
            *("--pool", "threads", "--concurrency", "2"),
            *("--without-gossip", "--without-mingle"),
        ),
        stage=_WORKS,
    )


def beat(folder: DataFolder) -> Child:
    """Celery's clock."""
    arguments = ("-m", "celery", "-q", "-A", "devora_ops", "beat")
    return _child(python(folder, "beat", *arguments), stage=_WORKS)


def simulator(folder: DataFolder, port: int) -> Child:
    """The provider simulator, which the demo and a first call need."""
    return _child(
        python(
            folder,
            "simulator",
            *("-m", "devora_ops.simulator", "--port", str(port), "--seed", "7"),
            *("--file", str(folder.path / "simulator.jsonl")),
        ),
        stage=_WORKS,
    )


def trickle(folder: DataFolder) -> Child:
    """The demo agents' calls, one a second at most."""
    return _child(manage(folder, "trickle", "demo", "trickle"), stage=_WORKS)


def _child(launch: Launch, *, stage: int, grace_s: float = 10) -> Child:
    start: Callable[[], Process] = launch.start
    return Child(launch.log.stem, start, launch.log, stage, grace_s=grace_s)
