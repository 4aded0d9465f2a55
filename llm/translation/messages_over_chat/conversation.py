"""A system prompt and turns as chat messages."""

from collections.abc import Iterator, Mapping
from typing import Any

from llm.translation.arguments import as_text
from llm.translation.messages_over_chat.blocks import (
    Part,
    blocks_in,
    collapsed,
    joined,
    parts_of,
    text_part,
)
from llm.translation.refusals import malformed

Message = dict[str, Any]


def join_conversation(system: Any, turns: Any) -> list[Message]:
    """Return the chat messages, the system's first; raises InvalidRequest."""
    if not isinstance(turns, list) or not turns:
        raise malformed("messages", "`messages` must be a list that is not empty.")
    messages = list(_system(system, "system"))
    for place, turn in enumerate(turns):
        messages += _turn(turn, f"messages[{place}]")
    return messages


def _turn(turn: Any, where: str) -> Iterator[Message]:
    role = turn.get("role") if isinstance(turn, dict) else None
    if role not in ("user", "assistant", "system"):
        raise malformed(where, "A role must be user, assistant or system.")
    content = turn.get("content")
    if role == "system":
        return _system(content, where)
    speak = _user if role == "user" else _assistant
    return speak(blocks_in(content, f"{where}.content"), where)


def _system(content: Any, where: str) -> Iterator[Message]:
    blocks = blocks_in(content, where)
    text = joined([part for block in blocks for part in parts_of(block, where)])
    if text:
        yield {"role": "system", "content": text}


def _user(blocks: list[dict[str, Any]], where: str) -> Iterator[Message]:
    """Yield the results of tools, which must follow their calls, then all the rest."""
    parts: list[Part] = []
    for block in blocks:
        if block.get("type") == "tool_result":
            message, attached = _tool_result(block, where)
            parts += attached
            yield message
    for block in blocks:
        if block.get("type") != "tool_result":
            parts += parts_of(block, where)
    if parts:
        yield {"role": "user", "content": collapsed(parts)}


def _tool_result(block: Mapping[str, Any], where: str) -> tuple[Message, list[Part]]:
    """Return a result, and what the user must send after it: a tool says only text."""
    blocks = [
        each
        for each in blocks_in(block.get("content"), where)
        if each.get("type") != "tool_reference"
    ]
    parts = [part for each in blocks for part in parts_of(each, where)]
    attached = [part for part in parts if part["type"] != "text"]
    call_id, text = str(block.get("tool_use_id") or ""), joined(parts)
    if attached:
        attached.insert(0, text_part(f"Attached to the result of {call_id}:"))
        text = text or "The result is attached to the next message."
    if block.get("is_error"):
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": call_id, "content": text}, attached


def _assistant(blocks: list[dict[str, Any]], where: str) -> Iterator[Message]:
    """Yield what was said and called.

    Thoughts are signed for the model that had them, and what a provider's own tools did
    is sealed: other models can read neither.
    """
    text = "".join(
        part["text"]
        for block in blocks
        if block.get("type") == "text"
        for part in parts_of(block, where)
    )
    calls = [_tool_call(block) for block in blocks if block.get("type") == "tool_use"]
    message: Message = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = calls
    if text or calls:
        yield message


def _tool_call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {
        "name": str(block.get("name") or ""),
        "arguments": as_text(block.get("input")),
    }
    return {"id": str(block.get("id") or ""), "type": "function", "function": function}
