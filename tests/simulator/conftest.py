"""One simulator for the folder's tests; they keep apart by the models they name."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from devora_ops.simulator.app import create_app
from devora_ops.simulator.config import Config
from tests.fakes.simulator import SimulatorProcess


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """A running simulator without latencies."""
    folder = tmp_path_factory.mktemp("simulator")
    with SimulatorProcess(folder / "journal.jsonl") as running:
        yield running


@pytest.fixture
def http(simulator: SimulatorProcess) -> Iterator[httpx.Client]:
    """A plain client of the simulator."""
    headers = {"Authorization": "Bearer sk-any"}
    with httpx.Client(
        base_url=simulator.url, headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


@pytest.fixture
def client(simulator: SimulatorProcess) -> Iterator[openai.OpenAI]:
    """The official client, which does not retry."""
    with openai.OpenAI(
        base_url=simulator.openai_url, api_key="sk-any", max_retries=0
    ) as client:
        yield client


@pytest.fixture
def tag() -> str:
    """A word for model names and prompts that no other test uses."""
    return uuid.uuid4().hex[:8]


def in_process(config: Config) -> httpx.AsyncClient:
    """Return a client of a simulator in this process, which starts at once."""
    transport = httpx.ASGITransport(create_app(config))
    return httpx.AsyncClient(transport=transport, base_url="http://simulator")


def chat(model: str, text: str = "hello", **fields: Any) -> dict[str, Any]:
    """Return a chat body."""
    message = {"role": "user", "content": text}
    return {"model": model, "messages": [message], **fields}


def events(text: str) -> list[str]:
    """Return the data of a stream's events, comments left out."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
