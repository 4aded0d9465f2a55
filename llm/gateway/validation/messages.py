"""A Messages request's body."""

from collections.abc import Mapping
from typing import Any

from llm.gateway.validation.fields import (
    Check,
    an_object,
    between,
    check_fields,
    check_names,
    check_uses,
    flag,
    is_base64,
    positive,
    refuse,
    short_text,
)

_MOST_TOOLS = 10_000


def check_messages(body: Mapping[str, Any]) -> None:
    """Refuse a body that no provider could serve; raises InvalidRequest."""
    check_names(body)
    _check_conversation(body.get("messages"))
    if body.get("max_tokens") is None:
        refuse("Send `max_tokens`.", "max_tokens", "missing")
    if body.get("system") is not None:
        _check_content(body["system"], "system")
    check_fields(body, _FIELDS)


def _check_conversation(messages: Any) -> None:
    if messages is None:
        refuse("Send `messages`.", "messages", "missing")
    if not isinstance(messages, list) or not messages:
        refuse("`messages` must be a list that is not empty.", "messages")
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            refuse("A message must be an object.", where)
        if message.get("role") not in ("user", "assistant"):
            refuse("A role must be user or assistant.", f"{where}.role")
        _check_content(message.get("content"), f"{where}.content")


def _check_content(content: Any, where: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        refuse("A content must be a text or a list of blocks.", where)
    for place, block in enumerate(content):
        _check_block(block, f"{where}[{place}]")


def _check_block(block: Any, where: str) -> None:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        refuse("A content block must be an object with a `type`.", where)
    kind = block["type"]
    if kind == "text" and not isinstance(block.get("text"), str):
        refuse("A text block needs its `text`.", f"{where}.text")
    if kind == "tool_result":
        if not isinstance(block.get("tool_use_id"), str):
            refuse("A result needs its `tool_use_id`.", f"{where}.tool_use_id")
        if block.get("content") is not None:
            _check_content(block["content"], f"{where}.content")
    source = block.get("source")
    if kind == "image" and isinstance(source, dict) and source.get("type") == "base64":
        data = source.get("data")
        if not isinstance(data, str) or not is_base64(data):
            refuse("The image is not valid base64.", f"{where}.source.data")


def _stop_sequences(value: Any, name: str) -> None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        refuse(f"`{name}` must be a list of texts.", name)


def _metadata(value: Any, name: str) -> None:
    an_object(value, name)
    if value.get("user_id") is not None:
        short_text(value["user_id"], f"{name}.user_id")


def _tools(value: Any, name: str) -> None:
    if not isinstance(value, list) or len(value) > _MOST_TOOLS:
        refuse(f"`{name}` must be a list of tools.", name)
    for place, tool in enumerate(value):
        if not isinstance(tool, dict):
            refuse("A tool must be an object.", f"{name}[{place}]")
        check_uses(tool, f"{name}[{place}]")
    names = [str(tool.get("name")) for tool in value if tool.get("name")]
    if len(set(names)) != len(names):
        refuse("Two tools have the same name.", name, "duplicate")


_FIELDS: Mapping[str, Check] = {
    "max_tokens": positive(10_000_000),
    "temperature": between(0, 1),
    "top_p": between(0, 1),
    "stream": flag,
    "stop_sequences": _stop_sequences,
    "metadata": _metadata,
    "tools": _tools,
    "tool_choice": an_object,
    "thinking": an_object,
}
