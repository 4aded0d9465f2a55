"""Chat messages as a system prompt and turns that alternate."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from llm.translation.arguments import as_object
from llm.translation.chat_over_messages.parts import (
    Block,
    blocks_of,
    text_block,
    with_cache_control,
)
from llm.translation.refusals import malformed, unsupported

Turn = dict[str, Any]

# Messages begin with the user; a chat may begin with a greeting of the assistant.
_OPENING = "(The assistant begins the conversation.)"
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def split_conversation(messages: Any) -> tuple[list[Block], list[Turn]]:
    """Return the system blocks and the turns, a user's first.

    System and developer messages go to the one place that has their authority,
    wherever in the conversation they stood; where nobody else speaks, they are what
    the user says. Raises InvalidRequest.
    """
    if not isinstance(messages, list) or not messages:
        raise malformed("messages", "`messages` must be a list that is not empty.")
    system: list[Block] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        role, blocks = _speech(message, f"messages[{place}]")
        if role == "system":
            system += blocks
        elif blocks:
            _append(turns, role, blocks)
    if not turns:
        system, turns = [], _only_system(system)
    return system, _finished(turns)


def _speech(message: Any, where: str) -> tuple[str, list[Block]]:
    """Return who speaks, in messages' words, and what is said."""
    role = message.get("role") if isinstance(message, dict) else None
    if role == "tool":
        return "user", [_tool_result(message, where)]
    if role == "function":
        raise unsupported(
            where, "Messages of role `function` are not supported; use `tool`."
        )
    if role not in ("system", "developer", "user", "assistant"):
        raise malformed(where, "A message must have a role that chats know.")
    blocks = _marked(blocks_of(message.get("content"), f"{where}.content"), message)
    if role == "assistant":
        return role, [*_refusal(message, blocks), *_tool_uses(message, where)]
    return "user" if role == "user" else "system", blocks


def _marked(blocks: list[Block], message: Mapping[str, Any]) -> list[Block]:
    """Move a message's cache mark to its last block."""
    return [*blocks[:-1], *(with_cache_control(last, message) for last in blocks[-1:])]


def _refusal(message: Mapping[str, Any], blocks: list[Block]) -> list[Block]:
    refusal = message.get("refusal")
    if blocks or not isinstance(refusal, str) or not refusal.strip():
        return blocks
    return [text_block(refusal)]


def _tool_uses(message: Mapping[str, Any], where: str) -> Iterable[Block]:
    if message.get("function_call"):
        raise unsupported(
            f"{where}.function_call", "`function_call` is not supported; use `tools`."
        )
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise malformed(f"{where}.tool_calls", "`tool_calls` must be a list.")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise unsupported(
                f"{where}.tool_calls", "Only calls of functions are supported."
            )
        yield {
            "type": "tool_use",
            "id": _tool_id(call.get("id")),
            "name": function["name"],
            "input": as_object(function.get("arguments")),
        }


def _tool_result(message: Mapping[str, Any], where: str) -> Block:
    call_id = _tool_id(message.get("tool_call_id"))
    block: Block = {"type": "tool_result", "tool_use_id": call_id}
    content = blocks_of(message.get("content"), f"{where}.content")
    if content:
        block["content"] = content
    return with_cache_control(block, message)


def _tool_id(value: Any) -> str:
    """Return an id in the characters that messages allow, the same for call and result."""
    return _NOT_IN_AN_ID.sub("_", str(value or "")) or "_"


def _append(turns: list[Turn], role: str, blocks: list[Block]) -> None:
    """Add what is said, to the last turn if the same side spoke."""
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": list(blocks)})


def _only_system(system: list[Block]) -> list[Turn]:
    if not system:
        raise malformed("messages", "`messages` say nothing.")
    return [{"role": "user", "content": system}]


def _finished(turns: list[Turn]) -> list[Turn]:
    for turn in turns:
        # A call's results come before anything else that its user says.
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [text_block(_OPENING)]})
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last["type"] == "text":
        # What the assistant goes on from must not end in white space.
        turns[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}
    return turns
