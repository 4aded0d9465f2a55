"""The product as a stranger meets it: real processes, real HTTP, real Postgres."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx

from devora_ops.embedded.ports import free_port
from tests.database import url_of
from tests.provisioning import Caller, Provisioning, orm_on, wait_until

__all__ = ["Caller", "Installation", "free_port", "orm_on", "wait_until"]

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


class Installation(Provisioning):
    """A web process and a simulator over one database."""

    def __init__(
        self,
        *,
        database: str,
        folder: Path,
        unblock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(
            database_url=url_of(database),
            journal=folder / "simulator.jsonl",
            unblock=unblock,
        )
        self.database = database
        self.folder = folder
        self.port, self.simulator_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator_url = f"http://127.0.0.1:{self.simulator_port}"
        self._processes = ExitStack()
        self.web: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Installation":
        self._start_simulator()
        self._provide_models()
        self.start_web()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_web()
        self._processes.close()

    def serving(self) -> Sequence[str]:
        """Return the address of the web process, once it was started."""
        return [] if self.web is None else [self.url]

    # --- processes ---------------------------------------------------------------

    def start_web(self) -> None:
        """Start the web process and wait until it can serve."""
        log = (self.folder / "web.log").open("ab")
        self.web = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "devora_ops.asgi:application"),
                *("--port", str(self.port), "--log-level", "warning"),
                *("--timeout-graceful-shutdown", "5"),
                *("--loop", "devora_ops.listening:Loop"),
                *("--http", "devora_ops.http_protocol:GuardedProtocol"),
                *("--ws", "devora_ops.handshakes:HandshakeProtocol"),
            ],
            cwd=ROOT,
            env=self.environment(),
            stdout=log,
            stderr=log,
        )
        log.close()
        wait_until(lambda: answers(f"{self.url}/readyz"), within_s=START_S)

    def stop_web(self) -> None:
        """Stop the web process as a supervisor would."""
        if self.web is not None and self.web.poll() is None:
            self.web.send_signal(signal.SIGTERM)
            self.web.wait(30)

    def kill_web(self) -> None:
        """Kill the web process in the middle of whatever it does."""
        if self.web is not None:
            self.web.kill()
            self.web.wait(10)

    def environment(self) -> dict[str, str]:
        """Return what the product's own processes run with."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.installation_settings",
            "DATABASE_URL": self.database_url,
            "PORT": str(self.port),
            "DEVORA_URL": self.url,
            "DEVORA_DATA": str(self.folder / "data"),
        }

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command against this installation."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _start_simulator(self) -> None:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "devora_ops.simulator"),
                *("--port", str(self.simulator_port), "--file", str(self.journal)),
                *("--seed", "1", "--latency-scale", "0"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.callback(process.wait, 10)
        self._processes.callback(process.terminate)
        wait_until(
            lambda: answers(f"{self.simulator_url}/__sim__/state"), within_s=START_S
        )

    def _provide_models(self) -> None:
        from llm.services import model_ensure, provider_ensure

        with self.orm():
            provider = provider_ensure(
                slug="simulator",
                kind="compatible",
                base_url=f"{self.simulator_url}/v1",
                secret="a-key-for-the-simulator",
                from_environment=True,
            )
            model_ensure(provider=provider, name="gpt-5.2", like="openai/gpt-5.2")

    # --- the simulator -----------------------------------------------------------

    def release(self) -> None:
        """Let the simulator answer what it holds."""
        httpx.post(f"{self.simulator_url}/__sim__/release").raise_for_status()

    def waiting(self) -> int:
        """Return how many requests the simulator holds."""
        return int(httpx.get(f"{self.simulator_url}/__sim__/state").json()["waiting"])


def answers(url: str) -> bool:
    """Say whether something answers there with 200."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url).status_code == 200
    return False
