"""Streams whose client hangs up: the ledger never has less than the provider's bill."""

import asyncio
import json
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest

from llm.gateway.call import Call
from llm.gateway.codecs.chat import ChatStream
from llm.gateway.connection import Answer
from llm.gateway.formats import CHAT
from llm.gateway.relay import Relay
from llm.gateway.slices import Turns
from llm.gateway.upstream import UpstreamClient
from llm.policy import USUAL
from llm.snapshot import Key, Upstream
from llm.tokens import at_most
from tests.installation_under_test import Caller, Installation, wait_until

PRICE = {"input": "0.000001", "output": "0.00001"}
HELLO = [{"role": "user", "content": "hi"}]
WIRES = {
    "chat": ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 500}),
    "messages": ("/v1/messages", {"messages": HELLO, "max_tokens": 500}),
    "responses": ("/v1/responses", {"input": HELLO, "max_output_tokens": 500}),
}


@pytest.fixture(scope="module")
def native(installation: Installation) -> str:
    """A provider that speaks Messages."""
    slug = f"anthro-{uuid.uuid4().hex[:6]}"
    installation.provider(slug, installation.simulator_url, kind="anthropic")
    return slug


@contextmanager
def streaming(
    installation: Installation, caller: Caller, model: str, *, api: str = "chat"
) -> Iterator[Iterator[str]]:
    """Begin a stream, and hang up on leaving."""
    path, body = WIRES[api]
    with (
        httpx.Client(base_url=installation.url, headers=caller.headers) as client,
        client.stream(
            "POST", path, json={**body, "model": model, "stream": True}
        ) as stream,
    ):
        yield stream.iter_lines()


def bill(installation: Installation, attempt: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens that the simulator would bill, in and out."""
    lines = installation.journal_lines("billed")
    (line,) = [it for it in lines if it["attempt"] == str(attempt["id"])]
    assert line["client_gone"]
    usage = line["usage"]
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage["completion_tokens"]
    return usage["input_tokens"], usage["output_tokens"]


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("chat", "native"),
        ("chat", "compatible"),
        ("messages", "native"),
        ("messages", "compatible"),
        ("responses", "compatible"),
    ],
)
def test_a_cut_stream_is_estimated_whatever_usage_it_began_with(
    installation: Installation, native: str, api: str, kind: str
):
    caller = installation.caller()
    provider = native if kind == "native" else "simulator"
    name = "sim-chunks-50-gap-100-usage-40-400"
    model = installation.model(name, provider=provider, **PRICE)

    with streaming(installation, caller, model, api=api) as lines:
        for _ in range(20):
            next(lines)

    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["error_code"]) == ("settled", "client_gone")
    assert attempt["estimated"]
    told_in, told_out = bill(installation, attempt)
    assert 0 < told_out < 400
    assert attempt["output_tokens"] >= told_out
    assert attempt["output_tokens"] <= 500
    if kind == "native":  # message_start says what went in
        assert attempt["input_tokens"] == told_in


def test_a_stream_that_had_hardly_begun_is_not_free(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-chunks-100-gap-50", **PRICE)

    with streaming(installation, caller, model) as lines:
        next(lines)  # the role: nothing was said yet

    (attempt,) = installation.attempts(caller)
    assert attempt["estimated"]
    assert attempt["output_tokens"] >= max(bill(installation, attempt)[1], 16)


def test_the_estimate_covers_what_is_said_until_the_provider_notices(
    installation: Installation,
):
    caller = installation.caller()
    model = installation.model("sim-chunks-200-gap-50", **PRICE)

    with streaming(installation, caller, model) as lines:
        for _ in range(20):
            next(lines)

    (attempt,) = installation.attempts(caller)
    query = "SELECT response FROM llm_content WHERE call_id = %s"
    wait_until(lambda: bool(installation.rows(query, attempt["call_id"])))
    (content,) = installation.rows(query, attempt["call_id"])
    heard = at_most(json.loads(content["response"])["content"], model=model)
    assert attempt["output_tokens"] > heard
    assert attempt["output_tokens"] >= bill(installation, attempt)[1]


async def test_what_has_arrived_is_metered_even_if_nobody_reads_it():
    heard = asyncio.Event()
    go_on, sent = threading.Event(), threading.Event()

    def say(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + chunk("one"))
        go_on.wait()
        connection.sendall(chunk(" two") + b"data: {broken\n\n")
        sent.set()

    async def send(message: Any) -> None:
        if message.get("body"):
            heard.set()

    async with relaying(say, send) as (stream, task):
        await heard.wait()
        # A loop that is busy with others: what comes meanwhile waits in the socket.
        go_on.set()
        sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stream.text == "one two"


async def test_what_waits_for_its_turn_is_metered_when_a_client_goes():
    many, blocked = 2000, asyncio.Event()

    def say(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + chunk("x") * many)

    async def send(message: Any) -> None:
        if message.get("body"):
            blocked.set()
            await asyncio.Event().wait()

    async with relaying(say, send) as (stream, task):
        await blocked.wait()
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stream.text == "x" * many


@asynccontextmanager
async def relaying(
    say: Callable[[socket.socket], None], send: Callable[[Any], Awaitable[None]]
) -> AsyncIterator[tuple[ChatStream, asyncio.Task[None]]]:
    """Relay what a provider says to a client, in a task."""

    def provide(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            say(connection)

    call = Call(Key("k", b"", frozenset(), None, "agent", "team", "off"), "r", CHAT)
    stream = ChatStream(wants_usage=False)
    relay = Relay(call, send, stream, Turns())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = threading.Thread(target=provide, args=[listener])
        provider.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with await UpstreamClient().post(
            Upstream("p", "compatible", "", True, ""),
            url,
            data=b"{}",
            headers={},
            policy=USUAL,
            stream=True,
            sending=lambda: None,
        ) as answer:
            yield stream, asyncio.create_task(cut(relay, answer))
        provider.join()


async def cut(relay: Relay, answer: Answer) -> None:
    """Relay until we are told that the client has gone."""
    try:
        await relay.run(answer)
    except asyncio.CancelledError:
        await relay.hear_out(answer)
        raise


def chunk(text: str) -> bytes:
    """Return an event that says something."""
    said = {"choices": [{"index": 0, "delta": {"content": text}}]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"
