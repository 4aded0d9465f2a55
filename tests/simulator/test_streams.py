"""Models whose streams are broken or unusual, seen by a plain HTTP client."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import chat, events

CHAT = "/v1/chat/completions"


def _text(data: list[str]) -> str:
    return "".join(_contents(data))


def _contents(data: list[str]) -> Iterator[str]:
    for event in data:
        for choice in json.loads(event)["choices"] if event != "[DONE]" else ():
            if choice["delta"].get("content"):
                yield choice["delta"]["content"]


def _stream(http: httpx.Client, model: str) -> list[str]:
    return events(http.post(CHAT, json=chat(model, stream=True)).text)


def test_a_stream_has_as_many_chunks_as_the_name_says(http: httpx.Client):
    data = _stream(http, "sim-chunks-7")
    assert len(list(_contents(data))) == 7
    assert data[-1] == "[DONE]"


def test_gaps_lie_between_the_chunks(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-chunks-4-gap-20", stream=True))
    assert answer.elapsed.total_seconds() >= 0.06


@pytest.mark.parametrize("count", [0, 3])
def test_a_stream_may_be_cut(
    simulator: SimulatorProcess, http: httpx.Client, tag: str, count: int
):
    model = f"sim-usage-100-20-chunks-10-cut-stream-after-{count}-tag-{tag}"
    received: list[str] = []
    with (
        http.stream("POST", CHAT, json=chat(model, stream=True)) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        received.extend(answer.iter_text())
    assert len(list(_contents(events("".join(received))))) == count
    billed = simulator.journal(model)[-1]
    assert (billed.completed, billed.chunks_sent) == (False, count)
    assert billed.usage["completion_tokens"] == 2 * count
    assert billed.usage["prompt_tokens"] == 100


def test_an_error_event_may_end_a_stream(client: Any):
    stream = client.chat.completions.create(
        **chat("sim-sse-error-after-3"), stream=True
    )
    received: list[str] = []
    with pytest.raises(openai.APIError, match="Overloaded"):
        received.extend(chunk.choices[0].delta.content for chunk in stream)
    assert len([content for content in received if content]) <= 3


def test_the_end_may_be_missing(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-usage-30-10-close-before-done-tag-{tag}"
    data = _stream(http, model)
    assert json.loads(data[-1])["choices"][0]["finish_reason"] == "stop"
    billed = simulator.journal(model)[-1]
    assert billed.usage["total_tokens"] == 40
    assert billed.completed is False


def test_something_may_come_after_the_end(http: httpx.Client):
    data = _stream(http, "sim-after-done")
    assert data[-2] == "[DONE]"
    assert list(_contents(data[-1:]))


def test_an_event_may_be_broken(http: httpx.Client):
    *good, broken = _stream(http, "sim-malformed-json")
    assert list(_contents(good))
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)


def test_a_line_may_be_huge(http: httpx.Client):
    data = _stream(http, "sim-huge-line")
    assert max(map(len, data)) > 10_000_000
    assert data[-1] == "[DONE]"


def test_usage_may_be_absent_in_a_stream(http: httpx.Client):
    body = chat("sim-no-usage", stream=True, stream_options={"include_usage": True})
    data = events(http.post(CHAT, json=body).text)
    assert all(json.loads(event)["usage"] is None for event in data[:-1])


def test_choices_may_be_empty_in_a_stream(http: httpx.Client):
    first, done = _stream(http, "sim-empty-choices")
    assert json.loads(first)["choices"] == []
    assert done == "[DONE]"


def test_network_writes_may_end_inside_characters(http: httpx.Client):
    body = chat("sim-split-utf8-chunks-6", stream=True)
    with http.stream("POST", CHAT, json=body) as answer:
        pieces = list(answer.iter_raw())
    assert any(_is_torn(piece) for piece in pieces)
    text = _text(events(b"".join(pieces).decode()))
    assert any(ord(character) > 127 for character in text)


def test_network_writes_may_be_tiny(http: httpx.Client):
    body = chat("sim-usage-9-3-chunks-1-split-bytes-40", stream=True)
    with http.stream("POST", CHAT, json=body) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 20
    assert events(b"".join(pieces).decode())[-1] == "[DONE]"


def test_two_events_may_come_in_one_write(http: httpx.Client):
    body = chat("sim-chunks-6-gap-20-glued", stream=True)
    with http.stream("POST", CHAT, json=body) as answer:
        pieces = [piece.decode() for piece in answer.iter_raw()]
    assert any(len(list(_contents(events(piece)))) == 2 for piece in pieces)


def test_lines_may_end_with_crlf(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-crlf", stream=True))
    assert answer.text.count("\r\n") == answer.text.count("\n")
    assert events(answer.text)[-1] == "[DONE]"


def test_data_may_be_spread_over_lines(client: Any):
    stream = client.chat.completions.create(
        **chat("sim-multiline-chunks-3"), stream=True
    )
    contents = [chunk.choices[0].delta.content for chunk in stream]
    assert len([content for content in contents if content]) == 3


def test_comments_may_come_between(client: Any, http: httpx.Client):
    body = chat("sim-comments-chunks-3", stream=True)
    assert http.post(CHAT, json=body).text.count(": keep-alive\n\n") == 3
    stream = client.chat.completions.create(**body)
    assert len(list(stream)) == 5


def test_a_stream_may_fall_silent(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-silence-60-tag-{tag}"
    with http.stream("POST", CHAT, json=chat(model, stream=True)) as answer:
        received = ""
        for part in answer.iter_text():
            received += part
            if list(_contents(events(received))):
                break
    simulator.wait_for(lambda state: state["billed"] == 1, model=model)
    assert simulator.journal(model)[-1].chunks_sent == 1


def _is_torn(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False
