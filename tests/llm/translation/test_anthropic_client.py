"""Anthropic's own client reads what messages over chat say, and what chats ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.translation import chat_over_messages, messages_over_chat
from tests.llm.translation.samples import (
    LOOKUP,
    PNG,
    answers,
    chunks_of,
    exchanges,
)

anthropic = pytest.importorskip("anthropic")
pydantic = pytest.importorskip("pydantic")


@given(answers())
def test_the_message_is_valid(message):
    completion = chat_over_messages.answer(message, created=1)

    read = anthropic.types.Message.model_validate(
        messages_over_chat.answer(completion), strict=True
    )

    assert read.stop_reason == message["stop_reason"]


@given(answers(), st.integers(1, 9))
def test_every_event_is_valid(message, size):
    valid = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)
    stream = messages_over_chat.Stream()
    chunks = chunks_of(chat_over_messages.answer(message, created=1), size)

    events = [event for chunk in chunks for event in stream.feed(chunk)]

    for _, data in [*events, *stream.end()]:
        valid.validate_python(data, strict=True)


@given(exchanges, st.sampled_from(["claude-sonnet-5", "claude-haiku-4-5"]))
def test_the_request_is_valid(messages, model):
    picture = {"type": "image_url", "image_url": {"url": PNG}}
    schema = {"type": "object", "properties": {}}
    body = {
        "messages": [*messages, {"role": "user", "content": [picture]}],
        "tools": [LOOKUP],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "stop": ["x"],
        "user": "u",
        "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    params = anthropic.types.message_create_params.MessageCreateParamsBase

    asked = chat_over_messages.request(body, model=model, max_tokens=4096)

    assert set(asked) <= set(params.__annotations__)
    param = pydantic.TypeAdapter(anthropic.types.MessageParam)
    for turn in asked["messages"]:
        param.validate_python(turn)
    tool = pydantic.TypeAdapter(anthropic.types.ToolParam)
    tool.validate_python(asked["tools"][0])
