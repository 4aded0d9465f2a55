"""A chat completion as a message."""

from collections.abc import Mapping
from typing import Any

from llm.translation import endings, usage
from llm.translation.arguments import as_object
from llm.translation.shapes import object_at, objects_at

_REASONING = ("reasoning_content", "reasoning")


def answer(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that says what a completion's first choice says.

    Reasoning becomes a thinking block with an empty signature, which only tells that no
    model of Anthropic's thought it.
    """
    choice = next(iter(objects_at(completion, "choices")), {})
    content = _content(object_at(choice, "message"))
    calls_tools = any(block["type"] == "tool_use" for block in content)
    finish = choice.get("finish_reason")
    return {
        **empty_message(completion),
        "content": content,
        "stop_reason": endings.stop_reason(finish, calls_tools=calls_tools),
        "usage": usage.to_messages(completion.get("usage")),
    }


def empty_message(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message in which nothing is said yet; the id stays the provider's."""
    return {
        "id": str(completion.get("id") or ""),
        "type": "message",
        "role": "assistant",
        "model": str(completion.get("model") or ""),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage.to_messages(None),
    }


def reasoning_of(said: Mapping[str, Any]) -> str:
    """Return the thoughts of a message or a delta, under either name servers use."""
    return next((text for name in _REASONING if (text := text_of(said, name))), "")


def text_of(said: Mapping[str, Any], name: str) -> str:
    """Return a text of a message or a delta; empty when it has none."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _content(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thoughts := reasoning_of(said):
        blocks.append({"type": "thinking", "thinking": thoughts, "signature": ""})
    blocks += (
        {"type": "text", "text": text}
        for name in ("content", "refusal")
        if (text := text_of(said, name))
    )
    return [*blocks, *map(_tool_use, objects_at(said, "tool_calls"))]


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = object_at(call, "function")
    return {
        "type": "tool_use",
        "id": str(call.get("id") or ""),
        "name": str(function.get("name") or ""),
        "input": as_object(function.get("arguments")),
    }
