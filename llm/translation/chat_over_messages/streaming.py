"""Events of a message's stream as chunks of a chat completion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm.providers.anthropic import merge_usage
from llm.translation import endings, usage
from llm.translation.arguments import as_text
from llm.translation.chat_over_messages.answering import head
from llm.translation.shapes import object_at

Chunk = dict[str, Any]


class StreamFailed(Exception):
    """The provider ended its stream with an error; type is its own word for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.type = kind
        self.message = message


@dataclass(slots=True)
class _Call:
    """A tool call being written. early: the input that came with its start."""

    index: int
    early: Any
    has_arguments: bool = False


class Stream:
    """Turns one stream of events into chunks, in the order they come.

    created: Unix seconds. raw_usage: what the provider has told so far, for the bill.
    """

    def __init__(self, *, created: int) -> None:
        self.raw_usage: dict[str, Any] = {}
        self.ended = False
        self._created = created
        self._head = head({}, "chat.completion.chunk", created)
        self._calls: dict[int, _Call] = {}
        self._finished = False

    def feed(self, event: Mapping[str, Any]) -> list[Chunk]:
        """Return the chunks that an event comes to; none for one of unknown type.

        The usage chunk is always the last one. Raises StreamFailed.
        """
        read = self._READERS.get(str(event.get("type")))
        return read(self, event) if read else []

    def _start(self, event: Mapping[str, Any]) -> list[Chunk]:
        message = object_at(event, "message")
        self._head = head(message, "chat.completion.chunk", self._created)
        self.raw_usage = merge_usage(self.raw_usage, message.get("usage"))
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def _open(self, event: Mapping[str, Any]) -> list[Chunk]:
        block = object_at(event, "content_block")
        if block.get("type") != "tool_use":
            return self._text(block)
        call = _Call(len(self._calls), block.get("input"))
        self._calls[_place(event)] = call
        name = str(block.get("name") or "")
        opening = {
            "index": call.index,
            "id": str(block.get("id") or ""),
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        return [self._chunk({"tool_calls": [opening]})]

    def _delta(self, event: Mapping[str, Any]) -> list[Chunk]:
        delta = object_at(event, "delta")
        if delta.get("type") != "input_json_delta":
            return self._text(delta)
        call = self._calls.get(_place(event))
        # A server's own tool writes its input too, which is not the client's to see.
        return self._arguments(call, delta.get("partial_json")) if call else []

    def _close(self, event: Mapping[str, Any]) -> list[Chunk]:
        """Give a call without arguments the empty object that a client can parse."""
        call = self._calls.get(_place(event))
        if call is None or call.has_arguments:
            return []
        return self._arguments(call, as_text(call.early))

    def _end_delta(self, event: Mapping[str, Any]) -> list[Chunk]:
        self.raw_usage = merge_usage(self.raw_usage, event.get("usage"))
        delta = object_at(event, "delta")
        reason = delta.get("stop_reason")
        return self._finish(reason, delta.get("stop_details")) if reason else []

    def _stop(self, event: Mapping[str, Any]) -> list[Chunk]:
        chunks = self._finish("tool_use" if self._calls else "end_turn", None)
        counted = usage.to_chat(self.raw_usage)
        if counted is not None and not self.ended:
            chunks.append({**self._head, "choices": [], "usage": counted})
        self.ended = True
        return chunks

    def _error(self, event: Mapping[str, Any]) -> list[Chunk]:
        error = object_at(event, "error")
        raise StreamFailed(
            str(error.get("type") or "api_error"), str(error.get("message") or "")
        )

    def _text(self, piece: Mapping[str, Any]) -> list[Chunk]:
        """Read a text or thinking block, or a piece of one, by the field it has."""
        text, thought = piece.get("text"), piece.get("thinking")
        if piece.get("type") in ("text", "text_delta") and isinstance(text, str):
            return [self._chunk({"content": text})] if text else []
        if isinstance(thought, str) and thought:
            return [self._chunk({"reasoning_content": thought})]
        return []

    def _arguments(self, call: _Call, text: Any) -> list[Chunk]:
        if not isinstance(text, str) or not text:
            return []
        call.has_arguments = True
        piece = {"index": call.index, "function": {"arguments": text}}
        return [self._chunk({"tool_calls": [piece]})]

    def _finish(self, reason: Any, details: Any) -> list[Chunk]:
        if self._finished:
            return []
        self._finished = True
        refusal = endings.refusal_text(reason, details)
        said = [self._chunk({"refusal": refusal})] if refusal else []
        return [*said, self._chunk({}, endings.finish_reason(reason))]

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head, "choices": [choice]}

    _READERS: dict[str, Callable[["Stream", Mapping[str, Any]], list[Chunk]]] = {
        "message_start": _start,
        "content_block_start": _open,
        "content_block_delta": _delta,
        "content_block_stop": _close,
        "message_delta": _end_delta,
        "message_stop": _stop,
        "error": _error,
    }


def _place(event: Mapping[str, Any]) -> int:
    """Return which block an event is about."""
    index = event.get("index")
    return index if isinstance(index, int) else 0
