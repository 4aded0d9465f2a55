"""Whatever clients and providers send, nothing but a refusal is raised."""

import contextlib
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from devora_ops.common.errors import InvalidRequest
from llm.translation import chat_over_messages, messages_over_chat
from llm.translation.chat_over_messages import StreamFailed

_KEYS = [
    "role",
    "type",
    "content",
    "text",
    "image_url",
    "url",
    "file",
    "file_data",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "input",
    "source",
    "data",
    "thinking",
    "tools",
    "stop",
    "format",
    "schema",
    "json_schema",
    "index",
    "delta",
    "choices",
    "usage",
    "message",
    "content_block",
    "stop_details",
    "properties",
    "required",
    "items",
    "allowed_tools",
]
_WORDS = [
    "text",
    "image_url",
    "file",
    "function",
    "user",
    "assistant",
    "system",
    "tool",
    "tool_use",
    "tool_result",
    "image",
    "document",
    "base64",
    "url",
    "content",
    "thinking",
    "json_schema",
    "enabled",
    "adaptive",
    "allowed_tools",
    "object",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
]

leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", *_WORDS])
junk = st.recursive(
    leaves | st.just(0.5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)


def having(**kept: st.SearchStrategy[Any]) -> Any:
    """Objects that have some of the fields."""
    return st.fixed_dictionaries({}, optional=kept)


messages = having(role=st.sampled_from(_WORDS), content=junk, tool_calls=junk)
bodies = having(
    messages=st.lists(messages, max_size=3),
    system=junk,
    tools=junk,
    tool_choice=junk,
    stop=junk,
    temperature=junk,
    thinking=junk,
    metadata=junk,
    reasoning_effort=junk,
    response_format=junk,
    output_config=junk,
)
choices = having(index=junk, delta=junk, message=junk, finish_reason=junk)
completions = having(choices=st.lists(choices, max_size=2), usage=junk)
events = having(
    type=st.sampled_from(_WORDS),
    index=junk,
    message=junk,
    content_block=junk,
    delta=junk,
    usage=junk,
)


@settings(max_examples=300)
@example({"messages": [{"role": "tool"}], "stop": True}, "claude-sonnet-5")
@given(bodies, st.sampled_from(["claude-sonnet-5", "claude-haiku-4-5"]))
def test_a_request_is_translated_or_refused(body, model):
    with contextlib.suppress(InvalidRequest):
        chat_over_messages.request(body, model=model, max_tokens=4096)
    with contextlib.suppress(InvalidRequest):
        messages_over_chat.request(body)


@settings(max_examples=200)
@given(completions, having(content=junk, stop_reason=junk, usage=junk))
def test_an_answer_is_translated(completion, message):
    stream = messages_over_chat.Stream()
    stream.feed(completion)

    assert stream.end()[-1][0] == "message_stop"
    assert messages_over_chat.answer(completion)["role"] == "assistant"
    assert chat_over_messages.answer(message, created=1)["choices"]


@settings(max_examples=200)
@given(st.lists(events, max_size=4))
def test_events_are_translated(events):
    stream = chat_over_messages.Stream(created=1)

    with contextlib.suppress(StreamFailed):
        for event in [*events, {"type": "message_stop"}]:
            stream.feed(event)
        assert stream.ended
