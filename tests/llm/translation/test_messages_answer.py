"""A chat completion, whole or streamed, as a client of messages reads it."""

from typing import Any

import pytest

from llm.translation.messages_over_chat import Stream, answer
from tests.llm.translation.samples import call, joined_events

USAGE = {
    "prompt_tokens": 130,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def completion(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hello", **message}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "gpt", "choices": [choice], "usage": USAGE}


def stream(*deltas: dict[str, Any], finish: str | None = "stop") -> list[Any]:
    made = Stream()
    events = []
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        events += made.feed({"id": "c", "model": "gpt", "choices": [choice]})
    last = {"index": 0, "delta": {}, "finish_reason": finish}
    events += made.feed({"choices": [last], "usage": USAGE})
    return [*events, *made.end()]


def call_piece(index: int | None, text: str, **fields: Any) -> dict[str, Any]:
    name = {"name": fields.pop("name")} if "name" in fields else {}
    piece = {**fields, "function": {**name, "arguments": text}}
    if index is not None:
        piece["index"] = index
    return {"tool_calls": [piece]}


def test_usage_leaves_out_what_the_cache_gave_and_took():
    assert answer(completion())["usage"] == {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("something_new", "end_turn"),
        (None, "end_turn"),
    ],
)
def test_every_reason_to_finish_has_its_word(finish, stop):
    assert answer(completion(finish))["stop_reason"] == stop
    assert joined_events(stream(finish=finish))["stop_reason"] == stop


def test_calls_stop_for_their_tools_whatever_the_server_says():
    calls = [call("c1", "lookup", {"id": 1})]

    message = answer(completion("stop", content=None, tool_calls=calls))

    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["input"] == {"id": 1}


def test_a_refusal_is_said_as_text():
    message = answer(completion("content_filter", content=None, refusal="I will not."))

    assert message["content"] == [{"type": "text", "text": "I will not."}]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_comes_first(name):
    whole = answer(completion(**{name: "Hm."}))
    streamed = joined_events(stream({name: "H"}, {name: "m."}, {"content": "Hello"}))

    assert whole["content"] == streamed["content"]
    assert [block["type"] for block in whole["content"]] == ["thinking", "text"]


def test_text_is_sent_as_it_comes():
    made = Stream()

    first = made.feed({"choices": [{"index": 0, "delta": {"content": "One"}}]})
    second = made.feed({"choices": [{"index": 0, "delta": {"content": " two"}}]})

    assert [name for name, _ in first] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
    ]
    assert [data["delta"]["text"] for _, data in second] == [" two"]


def test_a_call_is_sent_live_once_the_one_before_is_complete():
    made = Stream()
    made.feed(_chunk(call_piece(0, '{"a":1}', id="c0", name="one")))

    events = made.feed(_chunk(call_piece(1, '{"b"', id="c1", name="two")))

    assert [name for name, _ in events] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def _chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta}]}


def test_interleaved_calls_are_sent_one_after_the_other():
    events = stream(
        {"content": "Let me see"},
        call_piece(0, "", id="c0", name="one"),
        call_piece(1, "", id="c1", name="two"),
        call_piece(1, '{"b":'),
        call_piece(0, '{"a":'),
        call_piece(1, "2}"),
        call_piece(0, "1}"),
        finish="tool_calls",
    )

    content = joined_events(events)["content"]
    assert [(b["id"], b["input"]) for b in content[1:]] == [
        ("c0", {"a": 1}),
        ("c1", {"b": 2}),
    ]


@pytest.mark.parametrize("index", [0, None])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(index):
    events = stream(
        call_piece(index, '{"a":1}', id="c0", name="one"),
        call_piece(index, '{"b":', id="c1", name="two"),
        call_piece(index, "2}"),
    )

    content = joined_events(events)["content"]
    assert [(b["id"], b["name"], b["input"]) for b in content] == [
        ("c0", "one", {"a": 1}),
        ("c1", "two", {"b": 2}),
    ]


def test_a_call_without_an_id_gets_one():
    content = joined_events(stream(call_piece(0, "{}", name="one")))["content"]

    assert content[0]["id"] == "call_c_0"


def test_a_stream_without_chunks_is_an_empty_message():
    message = joined_events(Stream().end())

    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


def test_other_choices_are_passed_over():
    made = Stream()
    made.feed({"choices": [{"index": 1, "delta": {"content": "No"}}]})

    assert joined_events([*Stream().feed({}), *made.end()])["content"] == []
