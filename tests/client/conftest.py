"""What every test of the client starts from."""

from collections.abc import Iterator

import pytest

from tests.client.agents import AsyncHouse, SyncHouse
from tests.client.gateway import AsyncCaller, SyncCaller
from tests.client.streaming_server import StreamingServer

_SAID_BY_THE_MACHINE = (
    "DEVORA_URL",
    "DEVORA_API_KEY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in _SAID_BY_THE_MACHINE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["sync", "async"])
def ask(request):
    """Call a client's method by name, once as it is and once awaited."""
    return request.param()


@pytest.fixture(params=[SyncHouse, AsyncHouse], ids=["sync", "async"])
def call(request):
    """The two kinds of agent, and a way to call a method of either."""
    return request.param()


@pytest.fixture
def server() -> Iterator[StreamingServer]:
    """A real HTTP server on a free port."""
    with StreamingServer() as running:
        yield running
