"""A message as a chat completion."""

from collections.abc import Mapping
from typing import Any

from llm.translation import endings, usage
from llm.translation.arguments import as_text
from llm.translation.shapes import objects_at


def answer(message: Mapping[str, Any], *, created: int) -> dict[str, Any]:
    """Return the chat completion that says what a message says.

    created: Unix seconds, which messages do not tell. Thoughts become
    `reasoning_content`; blocks of unknown types are left out.
    """
    completion = {
        **head(message, "chat.completion", created),
        "choices": [
            {
                "index": 0,
                "message": _message(message),
                "logprobs": None,
                "finish_reason": endings.finish_reason(message.get("stop_reason")),
            }
        ],
    }
    counted = usage.to_chat(message.get("usage"))
    if counted is not None:
        completion["usage"] = counted
    tier = endings.chat_tier(message.get("usage"))
    return {**completion, "service_tier": tier} if tier else completion


def head(message: Mapping[str, Any], kind: str, created: int) -> dict[str, Any]:
    """Return what a completion and its chunks begin with; the id stays the provider's."""
    return {
        "id": str(message.get("id") or ""),
        "object": kind,
        "created": created,
        "model": str(message.get("model") or ""),
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    blocks = objects_at(message, "content")
    calls = [_tool_call(block) for block in blocks if block.get("type") == "tool_use"]
    refusal = endings.refusal_text(
        message.get("stop_reason"), message.get("stop_details")
    )
    said: dict[str, Any] = {
        "role": "assistant",
        "content": _joined(blocks, "text") or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    thoughts = _joined(blocks, "thinking")
    if thoughts:
        said["reasoning_content"] = thoughts
    if calls:
        said["tool_calls"] = calls
    return said


def _joined(blocks: list[dict[str, Any]], kind: str) -> str:
    texts = (block.get(kind) for block in blocks if block.get("type") == kind)
    return "".join(text for text in texts if isinstance(text, str))


def _tool_call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {
        "name": str(block.get("name") or ""),
        "arguments": as_text(block.get("input")),
    }
    return {"id": str(block.get("id") or ""), "type": "function", "function": function}
