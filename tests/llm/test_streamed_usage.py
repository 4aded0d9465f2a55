"""A stream costs what its usage comes to, however often and in what parts it is told."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.codecs.chat import ChatStream
from llm.gateway.codecs.messages import MessagesStream
from llm.gateway.codecs.protocol import StreamCodec
from llm.gateway.codecs.responses import ResponsesStream
from llm.usage_prices import usd_of

Event = Mapping[str, Any]

counts = st.integers(0, 150_000)
words = st.lists(st.text(max_size=5), max_size=8)


def event(value: Event) -> bytes:
    return b"data: " + json.dumps(value).encode()


def usd_told(api: str, model: str, usage: Any) -> Decimal:
    usd, odd = usd_of(api, model, usage)
    assert odd == ""
    return usd


def usage_after(stream: StreamCodec, events: Iterator[Event]) -> Any:
    for each in events:
        stream.feed(event(each))
    return stream.usage


def rising(final: int) -> st.SearchStrategy[list[int]]:
    """Draw what a cumulative count is told to be until it is final."""
    earlier = st.lists(st.integers(0, final), max_size=6)
    return earlier.map(lambda told: [*sorted(told), final])


@st.composite
def messages(draw: st.DrawFn) -> tuple[dict[str, Any], list[Event]]:
    """Draw a message's usage, and a stream that tells it bit by bit.

    Anthropic tells the input with `message_start` and the output so far with each
    `message_delta`, which repeats any of the other counts, or has null in their place.
    """
    short, long = draw(counts), draw(counts)
    inputs = {
        "input_tokens": draw(counts),
        "cache_read_input_tokens": draw(counts),
        "cache_creation_input_tokens": short + long,
    }
    start = inputs | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": long,
        },
        "service_tier": draw(st.sampled_from(["standard", "batch"])),
        "inference_geo": draw(st.sampled_from(["us", "global", "not_available"])),
    }
    output = draw(counts)
    searched = {"server_tool_use": {"web_search_requests": draw(st.integers(0, 5))}}
    first, *deltas = draw(rising(output).filter(lambda told: len(told) > 1))
    events: list[Event] = [
        {
            "type": "message_start",
            "message": {"usage": start | {"output_tokens": first}},
        }
    ]
    for told in deltas:
        repeated = {
            name: draw(st.sampled_from([None, value])) for name, value in inputs.items()
        }
        usage = repeated | {"output_tokens": told} | searched
        events.append({"type": "message_delta", "delta": {}, "usage": usage})
        events.append({"type": "ping"})
    return start | {"output_tokens": output} | searched, events


@given(messages())
def test_a_message_costs_what_its_counts_come_to_at_the_end(
    told: tuple[dict[str, Any], list[Event]],
):
    whole, events = told
    api, model = "anthropic.messages", "anthropic/claude-haiku-5-5"

    streamed = usage_after(MessagesStream(), iter(events))

    assert usd_told(api, model, streamed) == usd_told(api, model, whole)


@st.composite
def chat_usages(draw: st.DrawFn, *, names: tuple[str, str]) -> dict[str, Any]:
    """Draw a usage of OpenAI's, whose sides have these names."""
    inward, outward = names
    cached, written, plain = draw(counts), draw(counts), draw(counts)
    output = draw(counts)
    whole = cached + written + plain
    return {
        inward: whole,
        outward: output,
        "total_tokens": whole + output,
        f"{inward}_details": {"cached_tokens": cached, "cache_write_tokens": written},
        f"{outward}_details": {"reasoning_tokens": draw(st.integers(0, output))},
    }


CHAT_NAMES = ("prompt_tokens", "completion_tokens")


@given(chat_usages(names=CHAT_NAMES), words, st.data())
def test_a_chat_costs_the_last_usage_that_it_tells(
    whole: dict[str, Any], said: list[str], data: st.DataObject
):
    def chunks() -> Iterator[Event]:
        for place, word in enumerate(said):
            choice = {"index": 0, "delta": {"content": word}}
            # Some servers tell the usage so far with every chunk, others null.
            partial = {"prompt_tokens": 5, "completion_tokens": place}
            usage = data.draw(st.sampled_from([None, partial]))
            yield {"choices": [choice], "usage": usage}
        yield {"choices": [], "usage": whole}

    api, model = "openai.chat", "openai/gpt-5.6"
    streamed = usage_after(ChatStream(wants_usage=True), chunks())

    assert usd_told(api, model, streamed) == usd_told(api, model, whole)


@given(chat_usages(names=("input_tokens", "output_tokens")), words)
def test_a_response_costs_what_its_last_event_tells(
    whole: dict[str, Any], said: list[str]
):
    def events() -> Iterator[Event]:
        yield {"type": "response.created", "response": {"usage": None}}
        for word in said:
            yield {"type": "response.output_text.delta", "delta": word}
        yield {"type": "response.completed", "response": {"usage": whole}}

    api, model = "openai.responses", "openai/gpt-5.6"
    streamed = usage_after(ResponsesStream(), events())

    assert usd_told(api, model, streamed) == usd_told(api, model, whole)
