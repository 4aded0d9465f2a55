"""Streams from whole answers, and whole answers from streams: what the cache needs."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import orjson

from llm.gateway.codecs.protocol import Ours
from llm.gateway.sse import data_of

JSONObject = dict[str, Any]


class Collector(Protocol):
    """Puts a whole answer together from the events that a client was sent."""

    def feed(self, event: bytes) -> None:
        """Take one event."""

    def count(self, usage: Any) -> None:
        """Take the usage, which the client may not have been sent."""

    def answer(self) -> JSONObject | None:
        """Return the whole answer, or None when it has no proper end."""


class ChatCollector:
    """A chat completion from its chunks."""

    def __init__(self) -> None:
        self._head: JSONObject = {}
        self._choices: dict[int, JSONObject] = {}
        self._usage: Any = None

    def feed(self, event: bytes) -> None:
        """Take one chunk."""
        data = data_of(event)
        if not data or data == b"[DONE]":
            return
        chunk = orjson.loads(data)
        self._head = self._head or chunk
        self.count(chunk.get("usage"))
        for choice in chunk.get("choices") or ():
            self._take(choice)

    def count(self, usage: Any) -> None:
        """Take the usage, which the client may not have been sent."""
        self._usage = usage or self._usage

    def answer(self) -> JSONObject | None:
        """Return the completion, if every choice has come to its end."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        if not choices or any(c["finish_reason"] is None for c in choices):
            return None
        head = {
            name: value
            for name, value in self._head.items()
            if name not in ("choices", "usage", "devora")
        }
        return {
            **head,
            "object": "chat.completion",
            "choices": choices,
            "usage": self._usage,
        }

    def _take(self, piece: Mapping[str, Any]) -> None:
        index = int(piece.get("index") or 0)
        choice = self._choices.setdefault(
            index,
            {
                "index": index,
                "message": {"role": "assistant", "content": None},
                "finish_reason": None,
            },
        )
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
        if piece.get("logprobs"):
            told = choice.setdefault("logprobs", {})
            for name, values in piece["logprobs"].items():
                told[name] = (told.get(name) or []) + (values or [])
        _merge(choice["message"], piece.get("delta") or {})


def _merge(message: JSONObject, delta: Mapping[str, Any]) -> None:
    """Add a delta: texts grow, calls grow by their index, the rest is taken over."""
    for name, value in delta.items():
        if name == "tool_calls":
            for call in value or ():
                _merge_call(message.setdefault("tool_calls", []), call)
        elif name == "role":
            message["role"] = value or message["role"]
        elif isinstance(value, str) and isinstance(message.get(name), str):
            message[name] += value
        elif value is not None:
            message[name] = value


def _merge_call(calls: list[JSONObject], piece: Mapping[str, Any]) -> None:
    index = int(piece.get("index") or 0)
    while len(calls) <= index:
        empty = {"name": "", "arguments": ""}
        calls.append({"id": "", "type": "function", "function": empty})
    call, function = calls[index], piece.get("function") or {}
    call["id"] = piece.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


class MessagesCollector:
    """A message from its events."""

    def __init__(self) -> None:
        self._message: JSONObject = {}
        self._blocks: dict[int, JSONObject] = {}
        self._arguments: dict[int, str] = {}

    def feed(self, event: bytes) -> None:
        """Take one event, or several that were written together."""
        for each in event.split(b"\n\n"):
            if data := data_of(each):
                self._take(orjson.loads(data))

    def count(self, usage: Any) -> None:
        """The events carry their usage themselves."""

    def answer(self) -> JSONObject | None:
        """Return the message, if it has come to its end."""
        if not self._message.get("stop_reason"):
            return None
        for index, text in self._arguments.items():
            self._blocks[index]["input"] = orjson.loads(text or "{}")
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return {**self._message, "content": content}

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, index = event.get("type"), int(event.get("index") or 0)
        if kind == "message_start":
            self._message = dict(event["message"])
        elif kind == "content_block_start":
            self._blocks[index] = dict(event["content_block"])
            if "input" in self._blocks[index]:
                self._arguments[index] = ""
        elif kind == "content_block_delta":
            self._grow(index, event["delta"])
        elif kind == "message_delta":
            told = event.get("usage") or {}
            usage = {**(self._message.get("usage") or {}), **told}
            self._message |= {**(event.get("delta") or {}), "usage": usage}

    def _grow(self, index: int, delta: Mapping[str, Any]) -> None:
        if delta.get("type") == "input_json_delta":
            self._arguments[index] += delta.get("partial_json") or ""
            return
        for name in ("text", "thinking", "signature"):
            if isinstance(delta.get(name), str):
                self._blocks[index][name] = (
                    self._blocks[index].get(name) or ""
                ) + delta[name]


def chat_events(
    answer: Mapping[str, Any], *, wants_usage: bool, ours: Ours
) -> Iterator[bytes]:
    """Yield a completion as the events of a stream."""
    head = {n: v for n, v in answer.items() if n not in ("choices", "usage", "object")}
    head["object"] = "chat.completion.chunk"
    for choice in answer.get("choices") or ():
        for delta, finish in _deltas(choice):
            part = {"index": choice.get("index", 0), "delta": delta}
            if finish is None and choice.get("logprobs"):
                part["logprobs"] = choice["logprobs"]
            yield _data({**head, "choices": [{**part, "finish_reason": finish}]})
    if wants_usage:
        usage = {"usage": answer.get("usage"), "devora": ours.facts()}
        yield _data({**head, "choices": [], **usage})
    else:
        yield ours.comment()
    yield b"data: [DONE]"


def _deltas(choice: Mapping[str, Any]) -> Iterator[tuple[JSONObject, Any]]:
    message = dict(choice.get("message") or {})
    calls = [
        {"index": index, **call}
        for index, call in enumerate(message.get("tool_calls") or ())
    ]
    yield ({**message, "tool_calls": calls} if calls else message), None
    yield {}, choice.get("finish_reason") or "stop"


def messages_events(answer: Mapping[str, Any], *, ours: Ours) -> Iterator[bytes]:
    """Yield a message as the events of a stream."""
    empty = {**answer, "content": [], "stop_reason": None, "stop_sequence": None}
    yield _named("message_start", message=empty)
    for index, block in enumerate(answer.get("content") or ()):
        yield from _block_events(index, block)
    ending = {name: answer.get(name) for name in ("stop_reason", "stop_sequence")}
    yield _named("message_delta", delta=ending, usage=answer.get("usage") or {})
    yield ours.comment()
    yield _named("message_stop")


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[bytes]:
    start = dict(block)
    deltas: list[JSONObject] = []
    if "input" in block:
        start["input"] = {}
        written = orjson.dumps(block["input"]).decode()
        deltas.append({"type": "input_json_delta", "partial_json": written})
    for name in ("thinking", "signature", "text"):
        if isinstance(block.get(name), str):
            start[name] = ""
            deltas.append({"type": f"{name}_delta", name: block[name]})
    yield _named("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield _named("content_block_delta", index=index, delta=delta)
    yield _named("content_block_stop", index=index)


def _named(kind: str, **fields: Any) -> bytes:
    data = orjson.dumps({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data


def _data(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk)
