"""Streams, over a real socket: their text, their end, and what breaks them."""

import asyncio
from decimal import Decimal

import pytest

from devora_ops.client import (
    Answer,
    AsyncClient,
    Client,
    StreamInterrupted,
    Usage,
)
from tests.client.gateway import DONE, KEY, chunk
from tests.client.streaming_server import StreamingServer

USAGE = {"prompt_tokens": 12, "completion_tokens": 3}
TOLD = {"call_id": "call-7", "cost_usd": "0.000045600"}
COMMENT = b': devora {"call_id": "call-7", "cost_usd": "0.000045600"}\n\n'
STOP = (
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],'
    b' "usage": null}\n\n'
)


def read_sync(server: StreamingServer, texts: list[str]) -> Answer:
    with (
        Client(server.url, KEY) as client,
        client.stream_chat("Hi", model="smart") as stream,
    ):
        texts.extend(stream)
        return stream.answer


def read_async(server: StreamingServer, texts: list[str]) -> Answer:
    async def read() -> Answer:
        async with (
            AsyncClient(server.url, KEY) as client,
            await client.stream_chat("Hi", model="smart") as stream,
        ):
            async for text in stream:
                texts.append(text)  # noqa: PERF401  (what came before a failure counts)
            return stream.answer

    return asyncio.run(read())


@pytest.fixture(params=[read_sync, read_async], ids=["sync", "async"])
def read(request):
    """Read a stream to its end, once in a thread and once in a loop."""
    return request.param


def test_the_text_comes_in_pieces_and_the_answer_at_the_end(server, read):
    server.script = [
        b": keep-alive\n\n",
        chunk("Grüß"),
        chunk(" dich 🦊"),
        STOP,
        chunk(usage=USAGE, model="gpt-4.1", devora=TOLD),
        DONE,
    ]
    texts: list[str] = []
    answer = read(server, texts)
    assert texts == ["Grüß", " dich 🦊"]
    assert answer.text == "Grüß dich 🦊"
    assert (answer.finish_reason, answer.model) == ("stop", "openai/gpt-4.1")
    assert (answer.cost_usd, answer.call_id) == (Decimal("0.000045600"), "call-7")
    assert answer.usage == Usage(input_tokens=12, output_tokens=3)
    assert answer.message == {"role": "assistant", "content": "Grüß dich 🦊"}
    assert answer.raw["object"] == "chat.completion"
    assert server.bodies[0]["stream"] is True
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


def test_the_cost_may_come_in_a_comment(server, read):
    server.script = [chunk("Hi"), STOP, b": devora nonsense\n\n", COMMENT, DONE]
    answer = read(server, [])
    assert (answer.cost_usd, answer.call_id) == (Decimal("0.000045600"), "call-7")
    assert answer.usage == Usage()


def test_a_stream_may_be_cut_into_single_bytes(server, read):
    whole = b"".join([chunk("Grüß"), chunk(" 🦊"), STOP, COMMENT, DONE])
    server.script = [bytes([byte]) for byte in whole]
    texts: list[str] = []
    assert read(server, texts).text == "Grüß 🦊"
    assert texts == ["Grüß", " 🦊"]


def test_the_connection_serves_the_next_call_as_well(server):
    server.script = [chunk("Hi"), DONE]
    with Client(server.url, KEY) as client:
        for _ in range(3):
            assert client.stream_chat("Hi", model="smart").finish().text == "Hi"


def test_a_lost_connection_keeps_what_had_come(server, read):
    server.script = [chunk("Half a "), chunk("sent")]
    server.cut = True
    texts: list[str] = []
    with pytest.raises(StreamInterrupted) as caught:
        read(server, texts)
    assert texts == ["Half a ", "sent"]
    partial = caught.value.partial
    assert partial is not None
    assert partial.text == "Half a sent"
    assert caught.value.request_id == "request-1"
    assert caught.value.request_sent is True
    assert caught.value.__cause__ is not None


def test_a_stream_without_its_end_is_no_answer(server, read):
    server.script = [chunk("Hi"), STOP]
    with pytest.raises(StreamInterrupted, match="ended before its end"):
        read(server, [])


def test_a_connection_lost_after_the_end_does_not_matter(server, read):
    server.script = [chunk("Hi"), STOP, DONE]
    server.cut = True
    assert read(server, []).text == "Hi"


def test_a_failure_inside_a_stream_says_its_reason_and_the_cost(server, read):
    server.script = [
        chunk("Half"),
        chunk(
            choices=[{"index": 0, "delta": {}, "finish_reason": "error"}],
            error={"message": "Overloaded.", "code": "provider_overloaded"},
        ),
        COMMENT,
    ]
    with pytest.raises(StreamInterrupted, match="Overloaded") as caught:
        read(server, [])
    assert caught.value.code == "provider_overloaded"
    partial = caught.value.partial
    assert partial is not None
    assert (partial.text, partial.finish_reason) == ("Half", "error")
    assert partial.cost_usd == Decimal("0.000045600")


def test_a_failure_may_be_a_bare_word(server, read):
    server.script = [b'data: {"error": "Overloaded."}\n\n', DONE]
    with pytest.raises(StreamInterrupted, match="Overloaded"):
        read(server, [])


def test_an_answer_that_the_provider_cut_off_is_no_answer(server, read):
    end = b'data: {"choices": [{"index": 0, "finish_reason": "error"}]}\n\n'
    server.script = [chunk("Half"), end, COMMENT, DONE]
    with pytest.raises(StreamInterrupted, match="cut it off"):
        read(server, [])


@pytest.mark.parametrize(
    "event",
    [b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": [7]}\n\n'],
)
def test_an_event_that_is_no_chunk_is_said_to_be_none(server, read, event):
    server.script = [chunk("Hi"), event, DONE]
    with pytest.raises(StreamInterrupted, match="no chunk"):
        read(server, [])


def test_an_answer_that_is_no_stream_is_said_to_be_none(server, read):
    server.content_type = "text/html"
    server.script = [b"<html>"]
    with pytest.raises(StreamInterrupted, match="no event stream"):
        read(server, [])


def test_leaving_early_hangs_up(server):
    server.script = [chunk("again ")]
    server.endless = True
    with Client(server.url, KEY) as client:
        with client.stream_chat("Hi", model="smart") as stream:
            assert next(stream) == "again "
        assert server.hung_up.wait(10)
        with pytest.raises(RuntimeError, match="has not ended"):
            _ = stream.answer


def test_a_stream_that_was_hung_up_cannot_be_read_on(server):
    server.script = [chunk("Hi"), DONE]
    with Client(server.url, KEY) as client:
        stream = client.stream_chat("Hi", model="smart")
        stream.close()
        with pytest.raises(StreamInterrupted, match="closed"):
            stream.finish()


async def test_leaving_early_hangs_up_in_a_loop_too(server):
    server.script = [chunk("again ")]
    server.endless = True
    async with AsyncClient(server.url, KEY) as client:
        async with await client.stream_chat("Hi", model="smart") as stream:
            assert await anext(stream) == "again "
        assert await asyncio.to_thread(server.hung_up.wait, 10)


def test_chat_with_stream_is_the_same_stream(server):
    server.script = [chunk("Hi"), DONE]
    with Client(server.url, KEY) as client:
        assert list(client.chat("Hi", model="smart", stream=True)) == ["Hi"]


def test_a_streamed_tool_call_is_put_together(server, read):
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "search", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"q": '}},
        {"index": 0, "function": {"arguments": '"x"}'}},
        {"index": 1, "id": "c2", "function": {"name": "stop"}},
    ]
    server.script = [
        chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": None}}]),
        *(chunk(choices=[{"index": 0, "delta": {"tool_calls": [p]}}]) for p in pieces),
        STOP,
        DONE,
    ]
    message = read(server, []).message
    assert message["content"] is None
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "search", "arguments": '{"q": "x"}'},
        {"name": "stop", "arguments": ""},
    ]
    assert [call["id"] for call in message["tool_calls"]] == ["c1", "c2"]


def test_only_the_first_choice_is_the_text(server, read):
    second = {"index": 1, "delta": {"content": "No"}}
    server.script = [chunk("Yes"), chunk(choices=[second]), DONE]
    texts: list[str] = []
    answer = read(server, texts)
    assert (texts, answer.text) == (["Yes"], "Yes")
    assert answer.raw["choices"][1]["message"]["content"] == "No"
