"""What the simulated providers read and say survives translation."""

from typing import Any

import orjson
import pytest

from devora_ops.simulator.anthropic_messages import AnthropicMessages
from devora_ops.simulator.openai_chat import OpenAIChat
from devora_ops.simulator.wire import Answer, Choice, Chunk, Tokens, Wire
from llm.translation import chat_over_messages, messages_over_chat
from tests.llm.translation.samples import LOOKUP, joined_chunks, joined_events

TOKENS = Tokens(prompt=50, completion=4, cached=20)
TEXT = Choice((Chunk("One ", 2), Chunk("two", 2)), "stop")
CALL = Choice((Chunk('{"id"', 2), Chunk(":1}", 2)), "tool", "lookup")
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}


def said(wire: Wire, body: dict[str, Any], choice: Choice) -> tuple[Any, list[Any]]:
    """Return a simulated provider's whole answer and the data of its stream."""
    ask = wire.read(orjson.dumps(body))
    answer = Answer("abc", 1, (choice,), TOKENS)
    usage = wire.usage(TOKENS)
    steps = wire.stream(ask, answer, usage)
    data = [event.data for step in steps for event in step.events]
    stream = [orjson.loads(each) for each in data if each != b"[DONE]"]
    return orjson.loads(orjson.dumps(wire.document(ask, answer, usage))), stream


@pytest.mark.parametrize("choice", [TEXT, CALL])
def test_a_chat_client_is_served_by_simulated_messages(choice):
    body = {**CHAT, "tools": [LOOKUP], "tool_choice": "required"}
    asked = chat_over_messages.request(body, model="claude-sonnet-5", max_tokens=9)
    message, events = said(AnthropicMessages(), asked, choice)
    stream = chat_over_messages.Stream(created=1)

    whole = chat_over_messages.answer(message, created=1)
    chunks = [chunk for event in events for chunk in stream.feed(event)]

    told = joined_chunks(chunks)
    assert told["content"] == (whole["choices"][0]["message"]["content"] or "")
    assert told["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert [each[2] for each in told["calls"]] == ([{"id": 1}] if choice.tool else [])
    assert chunks[-1]["usage"] == whole["usage"]
    assert whole["usage"]["prompt_tokens"] == 50


@pytest.mark.parametrize("choice", [TEXT, CALL])
def test_a_messages_client_is_served_by_a_simulated_chat(choice):
    tool = {"name": "lookup", "input_schema": LOOKUP["function"]["parameters"]}
    body = {**CHAT, "max_tokens": 9, "tools": [tool], "tool_choice": {"type": "any"}}
    asked = messages_over_chat.request(body)
    asked["stream_options"] = {"include_usage": True}
    completion, chunks = said(OpenAIChat(), asked, choice)
    stream = messages_over_chat.Stream()

    whole = messages_over_chat.answer(completion)
    events = [event for chunk in chunks for event in stream.feed(chunk)]

    assert joined_events([*events, *stream.end()]) == whole
    assert whole["stop_reason"] == ("tool_use" if choice.tool else "end_turn")
    assert whole["usage"]["input_tokens"] == 30
