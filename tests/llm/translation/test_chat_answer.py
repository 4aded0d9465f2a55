"""A message, whole or streamed, as a chat client reads it."""

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm.translation.chat_over_messages import Stream, StreamFailed, answer
from tests.llm.translation.samples import events_of

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
    "service_tier": "priority",
}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"id": 1}}


def message(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": list(content),
        "stop_reason": "end_turn",
        "usage": USAGE,
        **fields,
    }


def stream(*events: dict[str, Any]) -> list[dict[str, Any]]:
    made = Stream(created=1)
    return [chunk for event in events for chunk in made.feed(event)]


def test_usage_includes_what_the_cache_gave_and_took():
    usage = answer(message(), created=1)["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (130, 7)
    assert usage["total_tokens"] == 137
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": 100,
        "cache_write_tokens": 20,
    }
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 3}


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_every_reason_to_stop_has_its_word(stop, finish):
    whole = answer(message(stop_reason=stop), created=1)
    chunks = stream(*events_of(message(stop_reason=stop), 5))

    assert whole["choices"][0]["finish_reason"] == finish
    assert chunks[-2]["choices"][0]["finish_reason"] == finish


def test_a_refusal_is_told_with_its_explanation():
    details = {"type": "refusal", "explanation": "That is dangerous."}

    told = answer(message(stop_reason="refusal", stop_details=details), created=1)
    bare = answer(message(stop_reason="refusal"), created=1)

    assert told["choices"][0]["message"]["refusal"] == "That is dangerous."
    assert bare["choices"][0]["message"]["refusal"]


def test_texts_are_joined_and_what_is_unknown_left_out():
    said = answer(
        message(
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "One "},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "hologram"},
            {"type": "text", "text": "two"},
        ),
        created=1,
    )["choices"][0]["message"]

    assert (said["content"], said["reasoning_content"]) == ("One two", "Hm.")
    assert "tool_calls" not in said


def test_openais_client_reads_the_completion():
    text = {"type": "text", "text": "Hello"}

    read = ChatCompletion.model_validate(
        answer(message(text, TOOL_USE, stop_reason="tool_use"), created=1), strict=True
    )

    assert read.choices[0].message.tool_calls[0].function.arguments == '{"id":1}'
    assert read.service_tier == "priority"


def test_openais_client_reads_every_chunk():
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    text = {"type": "text", "text": "Hello"}
    whole = message(thinking, text, TOOL_USE, TOOL_USE, stop_reason="tool_use")

    chunks = stream(*events_of(whole, 3))

    read = [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in chunks]
    assert {chunk.id for chunk in read} == {"msg_1"}
    assert read[0].choices[0].delta.role == "assistant"
    assert read[-1].usage.total_tokens == 137


def test_a_call_without_arguments_gets_an_empty_object():
    chunks = stream(*events_of(message({**TOOL_USE, "input": {}}), 3))

    pieces = [c["choices"][0]["delta"].get("tool_calls") for c in chunks[:-1]]
    texts = [piece[0]["function"]["arguments"] for piece in pieces if piece]
    assert "".join(texts) == "{}"


def test_an_input_that_comes_with_its_start_is_not_lost():
    start = {"type": "content_block_start", "index": 0, "content_block": TOOL_USE}

    opening, arguments = stream(start, {"type": "content_block_stop", "index": 0})

    assert opening["choices"][0]["delta"]["tool_calls"][0]["id"] == "toolu_1"
    piece = arguments["choices"][0]["delta"]["tool_calls"][0]
    assert piece["function"]["arguments"] == '{"id":1}'


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "ping"},
        {"type": "hologram", "delta": None},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "new"}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "new"}},
        {
            "type": "content_block_delta",
            "index": 9,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "message_delta", "delta": {"stop_reason": None}},
    ],
)
def test_an_event_that_says_nothing_to_a_chat_is_passed_over(event):
    assert stream(event) == []


def test_the_last_usage_wins_field_by_field():
    made = Stream(created=1)
    made.feed({"type": "message_start", "message": message()})
    late = {"input_tokens": None, "output_tokens": 9}

    made.feed({"type": "message_delta", "delta": {}, "usage": late})

    assert made.raw_usage == {**USAGE, "output_tokens": 9}


def test_a_stream_that_stops_without_a_reason_is_finished():
    finish, usage = stream(
        {"type": "message_start", "message": message()}, {"type": "message_stop"}
    )[1:]

    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []


def test_an_error_in_the_stream_is_raised_with_its_type():
    error = {"type": "overloaded_error", "message": "Overloaded"}

    with pytest.raises(StreamFailed, match="Overloaded") as caught:
        stream({"type": "error", "error": error})

    assert caught.value.type == "overloaded_error"
