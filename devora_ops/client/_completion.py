"""A chat completion, put together again from the chunks of its stream."""

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]


class Completion:
    """Collects chunks; `body` has the shape of an answer that was not streamed."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {0: _Choice()}

    def add(self, chunk: Fields) -> str:
        """Take a chunk and give the text that it adds to the first choice."""
        told = {name: value for name, value in chunk.items() if value is not None}
        text = ""
        for choice in told.pop("choices", ()):
            index = choice.get("index", 0)
            added = self._choices.setdefault(index, _Choice()).add(choice)
            text += added if index == 0 else ""
        self._top |= told
        return text

    def note(self, name: str, value: Any) -> None:
        """Keep something that came beside the chunks."""
        self._top[name] = value

    def body(self) -> dict[str, Any]:
        """Give the completion as far as it has come."""
        choices = [
            {"index": index, **choice.body()}
            for index, choice in sorted(self._choices.items())
        ]
        return {**self._top, "object": "chat.completion", "choices": choices}


class _Choice:
    def __init__(self) -> None:
        # Lists of pieces: adding strings up would copy a long answer per token.
        self._texts: dict[str, list[str]] = {"content": []}
        self._tools: dict[int, _ToolCall] = {}
        self._finish_reason: str | None = None

    def add(self, choice: Fields) -> str:
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or {}
        for name, value in delta.items():
            # The role is repeated in every chunk by some providers.
            if isinstance(value, str) and name != "role":
                self._texts.setdefault(name, []).append(value)
        for call in delta.get("tool_calls") or ():
            self._tools.setdefault(call.get("index", 0), _ToolCall()).add(call)
        return delta.get("content") or ""

    def body(self) -> dict[str, Any]:
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        message: dict[str, Any] = {"role": "assistant", **texts}
        if self._tools:
            message["content"] = texts["content"] or None
            message["tool_calls"] = [
                call.body() for _, call in sorted(self._tools.items())
            ]
        return {"message": message, "finish_reason": self._finish_reason}


class _ToolCall:
    def __init__(self) -> None:
        self._id = ""
        self._name = ""
        self._arguments: list[str] = []

    def add(self, call: Fields) -> None:
        function = call.get("function") or {}
        self._id = call.get("id") or self._id
        self._name += function.get("name") or ""
        self._arguments.append(function.get("arguments") or "")

    def body(self) -> dict[str, Any]:
        function = {"name": self._name, "arguments": "".join(self._arguments)}
        return {"id": self._id, "type": "function", "function": function}
