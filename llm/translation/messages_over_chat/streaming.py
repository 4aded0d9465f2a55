"""Chunks of a chat completion as events of a message's stream."""

from collections.abc import Mapping
from typing import Any

from llm.translation import endings, usage
from llm.translation.messages_over_chat.answering import (
    empty_message,
    reasoning_of,
    text_of,
)
from llm.translation.messages_over_chat.writing import Block, Event, Writer
from llm.translation.shapes import object_at, objects_at


class Stream:
    """Turns one stream of chunks into events: name and data of each.

    raw_usage: what the provider has told, for the bill; None until it has.
    """

    def __init__(self) -> None:
        self.raw_usage: Any = None
        self._started = False
        self._finish: Any = None
        self._writer = Writer()
        self._calls: dict[Any, Block] = {}
        self._last: Block | None = None
        self._id = ""

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return the events that can be sent once a chunk is there.

        Only the first choice is read: messages have one.
        """
        events = self._start(chunk)
        self.raw_usage = chunk.get("usage") or self.raw_usage
        for choice in objects_at(chunk, "choices"):
            if choice.get("index", 0) == 0:
                self._finish = choice.get("finish_reason") or self._finish
                self._read(object_at(choice, "delta"))
        return [*events, *self._writer.take()]

    def end(self) -> list[Event]:
        """Return the events that close the message; called once, after the last chunk."""
        reason = endings.stop_reason(self._finish, calls_tools=bool(self._calls))
        delta = {"stop_reason": reason, "stop_sequence": None}
        counted = usage.to_messages(self.raw_usage)
        last = {"type": "message_delta", "delta": delta, "usage": counted}
        return [
            *self._start({}),
            *self._writer.take(to_the_end=True),
            ("message_delta", last),
            ("message_stop", {"type": "message_stop"}),
        ]

    def _start(self, chunk: Mapping[str, Any]) -> list[Event]:
        if self._started:
            return []
        self._started = True
        message = empty_message(chunk)
        self._id = message["id"]
        return [("message_start", {"type": "message_start", "message": message})]

    def _read(self, delta: Mapping[str, Any]) -> None:
        self._writer.speak("thinking", reasoning_of(delta))
        self._writer.speak("text", text_of(delta, "content"))
        self._writer.speak("text", text_of(delta, "refusal"))
        for piece in objects_at(delta, "tool_calls"):
            self._read_call(piece)

    def _read_call(self, piece: Mapping[str, Any]) -> None:
        function = object_at(piece, "function")
        call = self._call(piece, text_of(function, "name"))
        call.add(text_of(function, "arguments"))

    def _call(self, piece: Mapping[str, Any], name: str) -> Block:
        """Return the call that a piece belongs to.

        Some servers leave the index out, others send every call with the same one: a
        name that comes with an id of its own begins another call.
        """
        index, call_id = piece.get("index"), text_of(piece, "id")
        index = index if isinstance(index, int) else None
        known = self._last if index is None else self._calls.get(index)
        if known is None or (name and call_id and known.id != call_id and known.name):
            known = self._writer.begin(Block("tool_use", call_id or self._made_id()))
        known.name = known.name or name
        self._calls[index if index is not None else f"#{known.id}"] = known
        self._last = known
        return known

    def _made_id(self) -> str:
        """Name a call that has no id; results must be able to name it."""
        return f"call_{self._id}_{len(self._calls)}"
