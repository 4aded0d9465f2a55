"""The provider simulator as a process of its own, with its controls and its journal."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from devora_ops.simulator import journal

ROOT = Path(__file__).resolve().parents[2]
_WITHIN_S = 20.0


class SimulatorProcess:
    """Runs `python -m devora_ops.simulator` on a free port, without latencies.

        with SimulatorProcess(folder / "journal.jsonl") as simulator:
            call(simulator.openai_url)
            simulator.wait_for(lambda state: state["waiting"] == 10)
            simulator.release()

    url: the server's root, which is also Anthropic's base URL. Paths of tests that
    share one process keep apart by model names with `-tag-…` in them.
    """

    def __init__(
        self, journal_path: Path, *, seed: int = 7, latency_scale: float = 0
    ) -> None:
        self.journal_path = journal_path
        self.url = ""
        self._command = [
            *(sys.executable, "-m", "devora_ops.simulator", "--port", "0"),
            *("--file", str(journal_path), "--seed", str(seed)),
            *("--latency-scale", str(latency_scale)),
        ]
        self._process: subprocess.Popen[str] | None = None
        self._client = httpx.Client(trust_env=False, timeout=_WITHIN_S)

    @property
    def openai_url(self) -> str:
        """The base URL of the OpenAI format."""
        return f"{self.url}/v1"

    @property
    def openrouter_url(self) -> str:
        """The base URL of OpenRouter's dialect of it."""
        return f"{self.url}/api/v1"

    @property
    def pid(self) -> int:
        """The process, for tests that stop or kill it."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and return when it listens: it prints its address then."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if not words:
            raise RuntimeError("the simulator did not start; its words are on stderr")
        self.url = words[-1]

    def stop(self) -> None:
        """Stop it; what it holds is dropped."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def __enter__(self) -> "SimulatorProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._client.close()

    def state(self) -> dict[str, Any]:
        """Counts of requests, accepted, refused, billed, client_gone and waiting."""
        state: dict[str, Any] = self._get("state")
        return state

    def model(self, name: str) -> dict[str, Any]:
        """The same counts for one model name; zeroes before its first request."""
        state = self.state()
        zeroes = {key: 0 for key, value in state.items() if isinstance(value, int)}
        counts: dict[str, Any] = state["models"].get(name, zeroes)
        return counts

    def requests(self, attempt: str | None = None) -> list[dict[str, Any]]:
        """The last requests: at, path, attempt, headers (lower-cased) and body."""
        query = {} if attempt is None else {"attempt": attempt}
        requests: list[dict[str, Any]] = self._get("requests", **query)
        return requests

    def release(self, model: str | None = None, count: int | None = None) -> int:
        """Let held answers go, the oldest first; return how many went."""
        wanted = {"model": model, "count": count}
        query = {name: value for name, value in wanted.items() if value is not None}
        reply = self._client.post(f"{self.url}/__sim__/release", params=query)
        released: int = reply.raise_for_status().json()["released"]
        return released

    def act(self, model: str, role: str | None = None) -> None:
        """Have a model behave like another name from now on; without one like itself."""
        query = {"model": model} if role is None else {"model": model, "as": role}
        self._client.post(f"{self.url}/__sim__/act", params=query).raise_for_status()

    def reset(self) -> None:
        """Forget counts, requests, roles, what `once` has seen; the journal stays."""
        self._client.post(f"{self.url}/__sim__/reset").raise_for_status()

    def journal(self, model: str | None = None) -> list[journal.Entry]:
        """What it accepted, refused and would bill, of one model or of all.

        A client has its answer, or its broken connection, before the bill is written;
        so this waits for the bill of everything that is not held.
        """
        self.wait_for(
            lambda it: it["accepted"] - it["billed"] <= it["waiting"], model=model
        )
        entries = journal.read(self.journal_path)
        return [entry for entry in entries if model in {None, entry.model}]

    def wait_for(
        self, condition: Callable[[dict[str, Any]], bool], *, model: str | None = None
    ) -> dict[str, Any]:
        """Return the state (of a model) once it fulfils the condition."""
        deadline = time.monotonic() + _WITHIN_S
        while True:
            state = self.state() if model is None else self.model(model)
            if condition(state):
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"the simulator never came to it: {state}")
            time.sleep(0.01)

    def _get(self, name: str, **query: str) -> Any:
        reply = self._client.get(f"{self.url}/__sim__/{name}", params=query)
        return reply.raise_for_status().json()
