"""`manage.py up`, the real thing: started, looked at, hurt, stopped, started again."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from devora_ops.embedded.ports import free_port, port_is_free
from devora_ops.installation.environment import ROOT
from tests.fakes.simulator import SimulatorProcess

_PATIENCE_S = 240  # a loaded machine; an idle one takes a tenth

# What the suite sets for itself, or a developer's shell for another installation.
_OTHERS = (
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEVORA_FIELD_KEYS"),
    "DJANGO_SETTINGS_MODULE",
)


def _environ(data: Path, port: int, **more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name not in _OTHERS}
    own = {"DEVORA_DATA": str(data), "PORT": str(port), "DEVORA_DEMO": "0"}
    return mine | own | more


class Up:
    """`manage.py up` on one data folder, and all that the last run printed."""

    def __init__(self, data: Path, upstream: str) -> None:
        self.data, self.port = data, free_port()
        self._output = data.with_suffix(".txt")
        self._openai = {"OPENAI_API_KEY": "simulated", "OPENAI_BASE_URL": upstream}

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=_environ(self.data, self.port, **self._openai),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_until(
            lambda: "is ready in" in self.printed or self.process.poll() is not None
        )
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        """All that this run has said so far."""
        return self._output.read_text()

    def wait_until(self, reached: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not reached():
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)

    def printed_value(self, name: str) -> str:
        found = re.search(rf"{name} +(\S+)", self.printed)
        assert found, self.printed
        return found[1]

    def children(self) -> dict[str, psutil.Process]:
        """The children by what their command line says they are."""
        marks = ("uvicorn", "worker", "beat", "simulator", "postgres", "redis")
        found: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it died this moment
                line = " ".join(child.cmdline())
                found |= {mark: child for mark in marks if mark in line}
        return found

    def status(self, path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def stop(self, sent: signal.Signals) -> list[psutil.Process]:
        """Stop it; returns the children that are left."""
        tree = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(sent)
        self.process.wait(_PATIENCE_S)
        if sent == signal.SIGKILL:  # they hear of it from the kernel, and take a moment
            psutil.wait_procs(tree, timeout=_PATIENCE_S)
        return [
            child
            for child in tree
            if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        ]

    def call(self, model: str) -> None:
        """Ask until the gateway takes it; a server may just have been killed."""
        status = 503
        with contextlib.suppress(httpx.HTTPError):
            while status == 503:
                status = self._ask(model)

    def _ask(self, model: str) -> int:
        return httpx.post(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            headers={"Authorization": f"Bearer {self.printed_value('Agent key')}"},
            json={"model": model, "messages": [{"role": "user", "content": "?"}]},
            timeout=60,
        ).status_code

    def errors_of(self, model: str) -> list[str]:
        """Return the error codes of the recorded calls of a model."""
        running = json.loads((self.data / "running.json").read_text())
        with psycopg.connect(running["database_url"]) as database:
            rows = database.execute(
                "SELECT error_code FROM costs_call WHERE model = %s", [model]
            )
            return [code for (code,) in rows.fetchall()]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    journal = tmp_path_factory.mktemp("upstream") / "journal.jsonl"
    with SimulatorProcess(journal) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def up(
    tmp_path_factory: pytest.TempPathFactory, upstream: SimulatorProcess
) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("a folder") / "with spaces"
    running = Up(data, upstream.openai_url)
    try:
        running.start()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop(signal.SIGINT)


def test_it_serves_the_page_it_names(up: Up) -> None:
    assert up.printed_value("Address") == f"http://127.0.0.1:{up.port}/"
    assert up.status("/admin/login/") == 200
    assert up.status("/readyz") == 200


def test_its_agent_key_is_accepted(up: Up) -> None:
    key = up.printed_value("Agent key")
    assert up.status("/v1/models", Authorization=f"Bearer {key}") == 200
    assert key in (up.data / "secrets").read_text()


def test_it_prints_what_an_agent_needs_ready_to_paste(up: Up) -> None:
    lines = re.findall(r"^ *(export .*)$", up.printed, flags=re.MULTILINE)
    assert lines == [
        f"export DEVORA_URL=http://127.0.0.1:{up.port}",
        f"export DEVORA_API_KEY={up.printed_value('Agent key')}",
    ]


def test_it_listens_on_the_loopback_interface_only(up: Up) -> None:
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", up.port))


def test_other_commands_use_its_servers(up: Up) -> None:
    up.wait_until(lambda: "worker" in up.children())
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=_environ(up.data, up.port),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "ok     migrations: all applied" in done.stdout
    assert " prices: " in done.stdout
    assert f"ok     web: ready on port {up.port}" in done.stdout


def test_what_its_children_log_is_one_json_object_a_line(up: Up) -> None:
    logs = up.data / "logs"
    assert up.status("/nothing/here/") == 404
    up.wait_until(lambda: "Not Found" in (logs / "web.log").read_text())
    task = "from rag.tasks import requeue_documents as task; task.delay()"
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", task],
        cwd=ROOT,
        env=_environ(up.data, up.port),
        check=True,
    )
    up.wait_until(lambda: "task_succeeded" in (logs / "worker.log").read_text())
    for name in ("web", "worker", "beat"):
        for line in (logs / f"{name}.log").read_text().splitlines():
            # Celery takes its leave in words of its own, past all logging.
            if line and not line.startswith("worker: Warm shutdown"):
                assert json.loads(line).keys() >= {"time", "level", "logger", "event"}


@pytest.mark.parametrize("name", ["uvicorn", "redis", "postgres"])
def test_a_killed_child_is_started_again(up: Up, name: str) -> None:
    killed = up.children()[name]
    killed.kill()
    up.wait_until(lambda: up.children().get(name, killed).pid != killed.pid)
    up.wait_until(lambda: up.status("/readyz") == 200)


def test_it_stops_everything_and_finds_its_data_when_it_starts_again(up: Up) -> None:
    key = up.printed_value("Agent key")
    up.wait_until(lambda: {"worker", "beat"} <= up.children().keys())
    assert up.stop(signal.SIGTERM) == []
    assert up.process.returncode == 0
    assert port_is_free(up.port)
    up.start()
    assert up.printed_value("Agent key") == key
    assert "Preparing the database" not in up.printed


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells only Linux's")
def test_killed_in_the_middle_of_a_call_it_leaves_no_orphan_and_loses_nothing(
    up: Up, upstream: SimulatorProcess
) -> None:
    with ThreadPoolExecutor() as agents:
        agents.submit(up.call, "openai/sim-hold")
        upstream.wait_for(lambda state: state["waiting"] == 1)
        assert up.stop(signal.SIGKILL) == []
    assert list((up.data / "settlements").iterdir())
    up.start()
    assert up.status("/readyz") == 200
    up.wait_until(lambda: up.errors_of("openai/sim-hold"))
    assert "process_lost" not in up.errors_of("openai/sim-hold")
    up.wait_until(lambda: not list((up.data / "settlements").iterdir()))
