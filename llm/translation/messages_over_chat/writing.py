"""Blocks written one after the other, though their pieces may arrive interleaved."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from llm.translation.arguments import is_complete

Event = tuple[str, dict[str, Any]]
Kind = Literal["text", "thinking", "tool_use"]

_DELTAS = {"text": "text", "thinking": "thinking", "tool_use": "partial_json"}
_DELTA_TYPES = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "tool_use": "input_json_delta",
}


@dataclass(slots=True)
class Block:
    """A block whose text grows. id and name: of a tool's call."""

    kind: Kind
    id: str = ""
    name: str = ""
    text: str = ""
    unsent: list[str] = field(default_factory=list)
    opened: bool = False

    def add(self, text: str) -> None:
        """Write a piece, for a call of its arguments."""
        if text:
            self.text += text
            self.unsent.append(text)

    @property
    def can_be_opened(self) -> bool:
        return self.kind != "tool_use" or bool(self.name)

    @property
    def can_be_closed(self) -> bool:
        """Say whether nothing can follow, once another block has begun."""
        return self.kind != "tool_use" or is_complete(self.text)

    def head(self) -> dict[str, Any]:
        """Return the block as it starts: nothing in it."""
        if self.kind == "text":
            return {"type": "text", "text": ""}
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}


class Writer:
    """Sends blocks in the order they began, each whole before the next one starts.

    A block behind one that is not complete waits; its pieces are kept meanwhile.
    """

    def __init__(self) -> None:
        self._waiting: deque[Block] = deque()
        self._index = 0

    def speak(self, kind: Kind, text: str) -> None:
        """Write text or thoughts behind everything that has begun."""
        if text:
            last = self._waiting[-1] if self._waiting else None
            block = last if last and last.kind == kind else self.begin(Block(kind))
            block.add(text)

    def begin(self, block: Block) -> Block:
        """Start a block behind all others."""
        self._waiting.append(block)
        return block

    def take(self, *, to_the_end: bool = False) -> Iterator[Event]:
        """Yield the events that can be sent now; to_the_end: nothing more will come."""
        while self._waiting:
            block = self._waiting[0]
            if not (block.can_be_opened or to_the_end):
                return
            yield from self._send(block)
            followed = len(self._waiting) > 1 and block.can_be_closed
            if not (followed or to_the_end):
                return
            yield self._event("content_block_stop")
            self._index += 1
            self._waiting.popleft()

    def _send(self, block: Block) -> Iterator[Event]:
        if not block.opened:
            block.opened = True
            yield self._event("content_block_start", content_block=block.head())
        if block.unsent:
            text = "".join(block.unsent)
            block.unsent.clear()
            delta = {"type": _DELTA_TYPES[block.kind], _DELTAS[block.kind]: text}
            yield self._event("content_block_delta", delta=delta)

    def _event(self, kind: str, **fields: Any) -> Event:
        return kind, {"type": kind, "index": self._index, **fields}
