"""Streams of whole responses, and whole responses of streams: what the cache needs."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import orjson

from llm.gateway.codecs.protocol import Ours
from llm.gateway.codecs.whole import JSONObject
from llm.gateway.sse import data_of

_EMPTY: JSONObject = {"content": [], "arguments": ""}
_ENDS = (b'"response.completed"', b'"response.incomplete"')


class ResponsesCollector:
    """A response from its last event, which carries all of it."""

    def __init__(self) -> None:
        self._answer: JSONObject | None = None

    def feed(self, event: bytes) -> None:
        """Take one event."""
        if not any(end in event for end in _ENDS):
            return
        value = orjson.loads(data_of(event) or b"{}")
        if value.get("type") in ("response.completed", "response.incomplete"):
            self._answer = value.get("response")

    def count(self, usage: Any) -> None:
        """The last event carries its usage itself."""

    def answer(self) -> JSONObject | None:
        """Return the response, if it has come to its end."""
        return self._answer


def responses_events(answer: Mapping[str, Any], *, ours: Ours) -> Iterator[bytes]:
    """Yield a response as the events of a stream."""
    numbers = count()
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    for kind, fields in (
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        *_items(answer.get("output") or ()),
    ):
        yield _event(kind, next(numbers), fields)
    yield ours.comment()
    end = "incomplete" if answer.get("status") == "incomplete" else "completed"
    yield _event(f"response.{end}", next(numbers), {"response": answer})


Named = tuple[str, JSONObject]


def _items(output: Any) -> Iterator[Named]:
    for index, item in enumerate(output):
        where = {"item_id": item.get("id"), "output_index": index}
        empty = {**item, "status": "in_progress"}
        empty |= {name: nothing for name, nothing in _EMPTY.items() if name in item}
        yield "response.output_item.added", {"output_index": index, "item": empty}
        for place, part in enumerate(item.get("content") or ()):
            yield from _part(part, {**where, "content_index": place})
        if "arguments" in item:
            arguments = item["arguments"]
            kind = "response.function_call_arguments"
            yield f"{kind}.delta", {**where, "delta": arguments}
            told = {"arguments": arguments, "name": item.get("name")}
            yield f"{kind}.done", {**where, **told}
        yield "response.output_item.done", {"output_index": index, "item": item}


def _part(part: Mapping[str, Any], where: JSONObject) -> Iterator[Named]:
    name = "refusal" if part.get("type") == "refusal" else "text"
    text = part.get(name) or ""
    kind = "response.refusal" if name == "refusal" else "response.output_text"
    chances = {"logprobs": part.get("logprobs") or []} if name == "text" else {}
    yield "response.content_part.added", {**where, "part": {**part, name: ""}}
    yield f"{kind}.delta", {**where, "delta": text, **chances}
    yield f"{kind}.done", {**where, name: text, **chances}
    yield "response.content_part.done", {**where, "part": part}


def _event(kind: str, number: int, fields: Mapping[str, Any]) -> bytes:
    data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data
