"""Messages served by Anthropic itself: nothing is translated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError
from llm.gateway.codecs.chat import read_object
from llm.gateway.codecs.protocol import (
    BadAnswerError,
    ErrorInStreamError,
    Ours,
    Reading,
)
from llm.gateway.errors import anthropic_fields
from llm.gateway.sse import data_of
from llm.providers import anthropic
from llm.providers.openrouter import Bill
from llm.snapshot import Target, Upstream

_SAID = ("text", "thinking", "partial_json")


class MessagesCodec:
    """POST /v1/messages, in and out."""

    read_usage = staticmethod(anthropic.read_usage)
    region_of = staticmethod(anthropic.region_of)

    def url(self, upstream: Upstream) -> str:
        """Return where messages are posted to."""
        return anthropic.messages_url(upstream)

    def headers(self, upstream: Upstream) -> Mapping[str, str]:
        """Return the headers of every request."""
        return anthropic.base_headers(upstream)

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Name the target's model and bound the output."""
        limit = body.get("max_tokens") or default_max_tokens
        messages = [_without_unsigned(message) for message in body["messages"]]
        return {**body, "model": target.name, "max_tokens": limit, "messages": messages}

    def output_bound(self, payload: Mapping[str, Any]) -> int:
        """Return the limit, which thinking falls under."""
        return int(payload["max_tokens"])

    def tier_asked(self, payload: Mapping[str, Any]) -> str:
        """Return the tier's name; unset, it may be the priority one."""
        asked = payload.get("service_tier")
        return "" if asked == "standard_only" else str(asked or "auto")

    def prompt_text(self, payload: Mapping[str, Any]) -> str:
        """Return what the system and the messages say."""
        parts = [payload.get("system")]
        parts += [message.get("content") for message in payload["messages"]]
        return "\n\n".join(text for part in parts for text in _texts(part))

    def read_bill(self, usage: Any, text: bytes) -> Bill | None:
        """Return None: nobody tells what a call cost, its tokens do."""
        return None

    def read(self, raw: bytes) -> Reading:
        """Read a message; it leaves as it came."""
        message = read_message(raw)
        usage = message.get("usage")
        return Reading(raw, message, said(message), usage, tier_of(usage))

    def stream(self, body: Mapping[str, Any]) -> "MessagesStream":
        """Begin a stream of events."""
        return MessagesStream()


class MessagesStream:
    """Events pass as they came; the last one waits for the cost that goes before it."""

    searches = 0

    def __init__(self) -> None:
        self.usage: Any = None
        self.usage_source = b""
        self.ended = False
        self.client_usage: Any = None
        self._stop = b""
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return "".join(self._pieces)

    @property
    def service_tier(self) -> str:
        """The tier that served."""
        return tier_of(self.usage)

    def feed(self, event: bytes) -> Sequence[bytes]:
        """Meter one event and pass it on."""
        data = data_of(event)
        if not data:
            return (event,)  # a comment
        value = read_object(data, "sent an event that")
        kind = value.get("type")
        if kind == "error":
            raise ErrorInStreamError
        if kind == "message_stop":
            self.ended, self._stop = True, event
            return ()
        self._meter(kind, value)
        return (event,)

    def _meter(self, kind: Any, event: Mapping[str, Any]) -> None:
        if kind == "content_block_delta":
            delta = event.get("delta")
            if isinstance(delta, dict):
                self._pieces += _strings(delta)
        elif kind == "message_start":
            message = event.get("message")
            if isinstance(message, dict):
                self.usage = anthropic.merge_usage(self.usage, message.get("usage"))
        elif kind == "message_delta":
            self.usage = anthropic.merge_usage(self.usage, event.get("usage"))

    def finish(self, ours: Ours) -> Sequence[bytes]:
        """Say what the call cost, and that it is whole."""
        return (ours.comment(), self._stop)

    def fail(self, call_id: str, error: DevoraError) -> Sequence[bytes]:
        """Say that the stream is not whole; no message_stop follows."""
        return (error_event(error),)


def error_event(error: DevoraError) -> bytes:
    """Return the event that tells a client of an error inside a stream."""
    body = {"type": "error", "error": anthropic_fields(error)}
    return b"event: error\ndata: " + orjson.dumps(body)


def read_message(raw: bytes) -> dict[str, Any]:
    """Parse a message; raises BadAnswerError."""
    message = read_object(raw)
    if not isinstance(message.get("content"), list):
        raise BadAnswerError("has no content")
    return message


def said(message: Mapping[str, Any]) -> str:
    """Return the texts of a message, tool calls included."""
    blocks = [block for block in message["content"] if isinstance(block, dict)]
    texts = [text for block in blocks for text in _strings(block)]
    calls = [orjson.dumps(b["input"]).decode() for b in blocks if "input" in b]
    return "".join(texts + calls)


def tier_of(usage: Any) -> str:
    """Return the service tier that a usage names; the standard one has no name."""
    tier = usage.get("service_tier") if isinstance(usage, Mapping) else None
    return tier if isinstance(tier, str) and tier != "standard" else ""


def _without_unsigned(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drop thoughts without a signature: another model's, which Anthropic refuses."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    kept = [
        block
        for block in content
        if block.get("type") != "thinking" or block.get("signature")
    ]
    return message if len(kept) == len(content) else {**message, "content": kept}


def _strings(part: Mapping[str, Any]) -> list[str]:
    return [part[name] for name in _SAID if isinstance(part.get(name), str)]


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield from _strings(block)
            yield from _texts(block.get("content"))
