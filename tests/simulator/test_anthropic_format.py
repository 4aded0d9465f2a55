"""Anthropic's messages, as its documentation shows them."""

import json
from typing import Any

import httpx

from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import chat

HEADERS = {"x-api-key": "sk-ant-x", "anthropic-version": "2023-06-01"}
LOOKUP = {
    "name": "lookup",
    "input_schema": {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "deep": {"type": "boolean"}},
    },
}


def _post(http: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return http.post("/v1/messages", json={"max_tokens": 300, **body}, headers=HEADERS)


def _events(text: str) -> list[dict[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def test_a_message_has_text_and_usage(http: httpx.Client):
    message = _post(http, chat("claude-sonnet-5")).json()
    assert message["type"] == "message"
    assert message["id"].startswith("msg_")
    assert message["model"] == "claude-sonnet-5"
    assert message["content"][0]["text"]
    assert message["stop_reason"] in {"end_turn", "max_tokens"}
    assert message["usage"]["input_tokens"] > 0
    assert message["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] == 0


def test_an_output_format_is_kept_to(http: httpx.Client):
    schema = {"type": "object", "properties": {"tag": {"enum": ["bug", "question"]}}}
    config = {"format": {"type": "json_schema", "schema": schema}}
    body = chat("claude-sonnet-5", output_config=config)
    (block,) = _post(http, body).json()["content"]
    assert json.loads(block["text"])["tag"] in {"bug", "question"}


def test_a_limit_stops_the_message(http: httpx.Client):
    message = _post(http, chat("claude-sonnet-5", max_tokens=3)).json()
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 3


def test_a_stream_has_every_event_in_its_place(http: httpx.Client):
    events = _events(_post(http, chat("claude-haiku-4-5", stream=True)).text)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert start["output_tokens"] == 1
    assert end["input_tokens"] == start["input_tokens"]
    assert end["output_tokens"] > 1


def test_a_stream_says_what_the_message_says(http: httpx.Client):
    body = chat("sim-usage-50-30-chunks-4", "one", stream=True)
    deltas = [
        event["delta"]["text"]
        for event in _events(_post(http, body).text)
        if event["type"] == "content_block_delta"
    ]
    assert len(deltas) == 4
    assert "".join(deltas).strip()


def test_a_forced_tool_is_used(http: httpx.Client):
    for choice in ({"type": "any"}, {"type": "tool", "name": "lookup"}):
        body = chat("claude-sonnet-5", tools=[LOOKUP], tool_choice=choice)
        message = _post(http, body).json()
        block = message["content"][0]
        assert message["stop_reason"] == "tool_use"
        assert (block["type"], block["name"]) == ("tool_use", "lookup")
        assert isinstance(block["input"]["id"], int)


def test_a_tool_use_is_streamed_as_partial_json(http: httpx.Client):
    body = chat(
        "claude-sonnet-5", tools=[LOOKUP], tool_choice={"type": "any"}, stream=True
    )
    events = _events(_post(http, body).text)
    block = next(e for e in events if e["type"] == "content_block_start")
    assert block["content_block"]["input"] == {}
    parts = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert "id" in json.loads("".join(part["partial_json"] for part in parts))


def test_cached_input_is_counted_apart(http: httpx.Client):
    body = chat("sim-usage-1000-20-cached-600-written-100")
    usage = _post(http, body).json()["usage"]
    assert usage["input_tokens"] == 300
    assert usage["cache_read_input_tokens"] == 600
    assert usage["cache_creation"]["ephemeral_5m_input_tokens"] == 100


def test_a_marked_prefix_is_read_from_the_cache_or_written_to_it(http: httpx.Client):
    block = {
        "type": "text",
        "text": "word " * 3000,
        "cache_control": {"type": "ephemeral"},
    }
    for number in range(3):
        body = chat("claude-sonnet-5", str(number), system=[block])
        usage = _post(http, body).json()["usage"]
        assert (
            usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"] > 0
        )


def test_errors_have_anthropics_shape(http: httpx.Client):
    overloaded = _post(http, chat("sim-529"))
    assert overloaded.status_code == 529
    assert overloaded.json()["type"] == "error"
    assert overloaded.json()["error"]["type"] == "overloaded_error"
    refused = http.post("/v1/messages", json=chat("x"), headers=HEADERS)
    assert refused.status_code == 400
    assert "max_tokens" in refused.json()["error"]["message"]
    key = {**HEADERS, "x-api-key": "bad-key"}
    wrong = http.post("/v1/messages", json=chat("x", max_tokens=1), headers=key)
    assert wrong.status_code == 401
    assert wrong.json()["error"]["type"] == "authentication_error"


def test_an_error_inside_a_stream_is_an_event(http: httpx.Client):
    body = chat("sim-sse-error-after-2", stream=True)
    events = _events(_post(http, body).text)
    assert events[-1]["type"] == "error"
    assert [e["type"] for e in events].count("content_block_delta") == 2


def test_the_journal_names_the_api(http: httpx.Client, simulator: SimulatorProcess):
    _post(http, chat("sim-usage-7-3-tag-anthropic"))
    accepted, billed = simulator.journal("sim-usage-7-3-tag-anthropic")
    assert accepted.api == "anthropic.messages"
    assert billed.usage["input_tokens"] == 7
    assert billed.usage["output_tokens"] == 3


def test_the_models_are_listed_in_anthropics_format(http: httpx.Client):
    listed = http.get("/v1/models", headers=HEADERS).json()
    assert listed["has_more"] is False
    assert "claude-sonnet-5" in [model["id"] for model in listed["data"]]
