"""Streams as three providers write them, with what is in them: text, tools and usage.

They are written down event by event, so that a test can end their lines as it likes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise
from typing import Any

import orjson

LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}

_DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream. text: all that is billed as output, tool calls included.

    usage: as the provider tells it, put together where it tells it in parts.
    """

    kind: str
    events: tuple[bytes, ...]
    text: str
    usage: dict[str, Any]

    def wire(self, line_end: bytes) -> bytes:
        """Return it as bytes."""
        return b"".join(
            event.replace(b"\n", line_end) + 2 * line_end for event in self.events
        )

    def passed(self, line_end: bytes) -> list[bytes]:
        """Return the events that a client of the same format gets as they came.

        Comments before the first event are not among them: an answer that has not begun
        may still be somebody else's.
        """
        last = (b'"choices":[],"usage"', b"event: message_stop")
        return [
            event.replace(b"\n", line_end)
            for event in dropwhile(lambda it: it.startswith(b":"), self.events)
            if event != _DONE and not any(mark in event for mark in last)
        ]


def cut(data: bytes, offsets: Sequence[int]) -> Iterator[bytes]:
    """Yield the data in pieces that end at the offsets."""
    edges = [0, *sorted(offsets), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


def _chunk(delta: Any, finish: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _of_openai([choice], **fields)


def _of_openai(choices: Any, **fields: Any) -> bytes:
    head = {
        "id": "chatcmpl-CsXv41ZsW",
        "object": "chat.completion.chunk",
        "created": 1795687200,
        "model": "gpt-5.2",
    }
    return b"data: " + orjson.dumps({**head, "choices": choices, **fields})


def _call(**function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "function": function}]}


_OPENAI_USAGE = {
    "prompt_tokens": 81,
    "completion_tokens": 33,
    "total_tokens": 114,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 0},
}
OPENAI = Recording(
    "openai",
    (
        _chunk({"role": "assistant", "content": "", "refusal": None}),
        _chunk({"content": "Zürich"}),
        _chunk({"content": " – 東京 "}),
        _chunk({"content": "👩‍🚀\n\n"}),
        _chunk({"content": "\\r\\n data: [DONE] é"}),
        _chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_Yw2J",
                        "type": "function",
                        "function": {"name": "weather", "arguments": ""},
                    }
                ]
            }
        ),
        _chunk(_call(arguments='{"plac')),
        _chunk(_call(arguments='e": "Łódź 🌧"}')),
        _chunk({}, "tool_calls"),
        _of_openai([], usage=_OPENAI_USAGE),
        _DONE,
    ),
    "Zürich – 東京 👩‍🚀\n\n\\r\\n data: [DONE] éweather{" + '"place": "Łódź 🌧"}',
    _OPENAI_USAGE,
)


def _routed(delta: Any, finish: str | None = None) -> bytes:
    return _chunk(delta, finish, provider="Moonshot", native_finish_reason=finish)


_OPENROUTER_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 9,
    "total_tokens": 21,
    "cost": 0.0000231,
    "cost_details": {"upstream_inference_cost": 0.0000231},
    "is_byok": False,
}
_WORKING = b": OPENROUTER PROCESSING"
OPENROUTER = Recording(
    "openrouter",
    (
        _WORKING,
        _WORKING,
        _routed({"role": "assistant", "content": ""}),
        _WORKING,
        _routed({"content": "naïve "}),
        ": a comment with ünïcode, and: colons".encode(),
        _routed({"content": "Ω≈ç√∫ 🧪"}),
        _routed({}, "stop"),
        _of_openai([], usage=_OPENROUTER_USAGE),
        _DONE,
    ),
    "naïve Ω≈ç√∫ 🧪",
    _OPENROUTER_USAGE,
)


def _event(kind: str, **fields: Any) -> bytes:
    data = orjson.dumps({"type": kind, **fields})
    return b"event: %b\ndata: %b" % (kind.encode(), data)


def _delta(index: int, kind: str, **fields: str) -> bytes:
    delta = {"type": kind, **fields}
    return _event("content_block_delta", index=index, delta=delta)


_STARTED = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 100,
    "output_tokens": 1,
    "service_tier": "standard",
}
ANTHROPIC = Recording(
    "anthropic",
    (
        _event(
            "message_start",
            message={
                "id": "msg_01QeRk",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": _STARTED,
            },
        ),
        _event(
            "content_block_start", index=0, content_block={"type": "text", "text": ""}
        ),
        b'event: ping\ndata: {"type": "ping"}',
        _delta(0, "text_delta", text="Grüße aus 北京"),
        _delta(0, "text_delta", text=" 🚲 – naïve"),
        _event("content_block_stop", index=0),
        _event(
            "content_block_start",
            index=1,
            content_block={
                "type": "tool_use",
                "id": "toolu_01T1",
                "name": "weather",
                "input": {},
            },
        ),
        _delta(1, "input_json_delta", partial_json=""),
        _delta(1, "input_json_delta", partial_json='{"place": "Mün'),
        _delta(1, "input_json_delta", partial_json='chen ☔"}'),
        _event("content_block_stop", index=1),
        _event(
            "message_delta",
            delta={"stop_reason": "tool_use", "stop_sequence": None},
            usage={"output_tokens": 47},
        ),
        _event("message_stop"),
    ),
    'Grüße aus 北京 🚲 – naïve{"place": "München ☔"}',
    {**_STARTED, "output_tokens": 47},
)

ALL = (OPENAI, ANTHROPIC, OPENROUTER)
