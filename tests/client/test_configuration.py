"""Where a client finds the gateway and its key, and how long it waits."""

import httpx
import pytest

from devora_ops.client import Client, ConfigurationError
from tests.client.gateway import KEY, Gateway, completion


def test_address_and_key_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("DEVORA_URL", "https://ops.example.com/devora/")
    monkeypatch.setenv("DEVORA_API_KEY", f"{KEY}\n")
    gateway = Gateway(completion())
    with gateway.client(base_url=None, api_key=None) as client:
        client.chat("Hi", model="smart")
    request = gateway.requests[0]
    assert str(request.url) == "https://ops.example.com/devora/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {KEY}"


def test_arguments_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("DEVORA_URL", "http://other.test")
    monkeypatch.setenv("DEVORA_API_KEY", "other")
    with Client("http://mine.test/v1", KEY) as client:
        assert client.base_url == "http://mine.test"


def test_without_an_address_it_is_the_servers_default():
    with Client(api_key=KEY) as client:
        assert client.base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "address",
    [
        "ops.example.com",
        "ftp://ops.example.com",
        "http://",
        "http://[::1",
        "http://x:port",
        "http://user:secret@ops.example.com",
        "http://ops.example.com?key=secret",
        "http://ops.example.com#secret",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address):
    with pytest.raises(ConfigurationError, match="address") as caught:
        Client(address, KEY)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "clé"])
def test_a_key_that_is_none_is_refused_without_repeating_it(key):
    with pytest.raises(ConfigurationError, match="key") as caught:
        Client("http://gateway.test", key)
    assert "words" not in str(caught.value)


def test_the_key_is_in_no_representation():
    gateway = Gateway(completion())
    with gateway.client() as client:
        shown = [repr(client), str(client), repr(vars(client))]
        client.chat("Hi", model="smart")
    shown.append(repr(gateway.requests[0].headers))
    assert "secretsecret" not in "".join(shown)
    assert shown[0] == "Client(base_url='http://gateway.test')"


def test_the_nearest_timeout_counts():
    gateway = Gateway(completion())
    with gateway.client() as patient, gateway.client(timeout=7) as client:
        patient.chat("Hi", model="smart")
        client.chat("Hi", model="smart")
        client.chat("Hi", model="smart", timeout=httpx.Timeout(3, connect=1))
        client.with_timeout(None).chat("Hi", model="smart")
        assert "timeout" not in gateway.body
    timeouts = [request.extensions["timeout"] for request in gateway.requests]
    assert [timeout["read"] for timeout in timeouts] == [630, 7, 3, None]
    assert [timeout["connect"] for timeout in timeouts] == [5, 7, 1, None]
