"""A Responses request's body."""

from collections.abc import Mapping
from typing import Any

from llm.gateway.validation.content import check_content, check_picture, check_text
from llm.gateway.validation.fields import (
    MOST_SCHEMA_DEPTH,
    Check,
    an_object,
    between,
    check_fields,
    check_names,
    check_uses,
    depth_of,
    flag,
    positive,
    refuse,
    short_text,
)

_ROLES = frozenset({"system", "developer", "user", "assistant"})
# They are billed by the file, the session or the picture, which no price here knows.
_UNPRICED_TOOLS = ("file_search", "code_interpreter", "image_generation")


def check_responses(body: Mapping[str, Any]) -> None:
    """Refuse a body that no provider could serve; raises InvalidRequest."""
    check_names(body)
    if "messages" in body:
        refuse("Send `input`, and no `messages`.", "messages", "unknown_parameter")
    _check_input(body.get("input"), needed=not body.get("prompt"))
    check_fields(body, _FIELDS)
    if body.get("background"):
        refuse(
            "Background responses are not served: what they cost would come after the "
            "answer. Stream instead.",
            "background",
            "unsupported",
        )


def _check_input(given: Any, *, needed: bool) -> None:
    if given is None and not needed:
        return
    if given is None:
        refuse("Send `input`.", "input", "missing")
    if not isinstance(given, str | list) or not given:
        refuse("`input` must be a text or a list of items, and not empty.", "input")
    if isinstance(given, list):
        for place, item in enumerate(given):
            _check_item(item, f"input[{place}]")


def _check_item(item: Any, where: str) -> None:
    if not isinstance(item, dict):
        refuse("An input item must be an object.", where)
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        refuse("The `type` of an item must be a text.", f"{where}.type")
    if kind == "message" and item.get("role") not in _ROLES:
        refuse(f"A role must be one of {', '.join(sorted(_ROLES))}.", f"{where}.role")
    if kind == "function_call_output" and not item.get("call_id"):
        refuse("A function's output needs its `call_id`.", f"{where}.call_id")
    check_content(item.get("content"), f"{where}.content", _check_part)


def _check_part(part: Mapping[str, Any], where: str) -> None:
    check_text(part, where, "input_text", "output_text")
    check_picture(part.get("image_url"), f"{where}.image_url")


def _tools(value: Any, name: str) -> None:
    if not isinstance(value, list):
        refuse("`tools` must be a list.", name)
    for place, tool in enumerate(value):
        _check_tool(tool, f"{name}[{place}]")
    names = [tool.get("name") for tool in value if tool["type"] == "function"]
    if len(set(names)) != len(names):
        refuse("Two tools have the same name.", name, "duplicate")


def _check_tool(tool: Any, where: str) -> None:
    if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
        refuse("A tool must be an object with a `type`.", where)
    if tool["type"] in _UNPRICED_TOOLS:
        refuse(
            f"`{tool['type']}` is billed by what no price here knows.",
            f"{where}.type",
            "unsupported",
        )
    if tool["type"] == "function":
        if not isinstance(tool.get("name"), str) or not tool["name"]:
            refuse("A function needs its `name`.", f"{where}.name")
        if not isinstance(tool.get("parameters"), dict | None):
            refuse("`parameters` must be an object.", f"{where}.parameters")
    check_uses(tool, where)


def _text(value: Any, name: str) -> None:
    an_object(value, name)
    if depth_of(value) > MOST_SCHEMA_DEPTH:
        refuse("The schema is nested too deeply.", name, "too_deep")


def _instructions(value: Any, name: str) -> None:
    if not isinstance(value, str):
        refuse(f"`{name}` must be a text.", name)


_FIELDS: Mapping[str, Check] = {
    "instructions": _instructions,
    "max_output_tokens": positive(10_000_000),
    "max_tool_calls": positive(1000),
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "stream": flag,
    "background": flag,
    "parallel_tool_calls": flag,
    "metadata": an_object,
    "reasoning": an_object,
    "text": _text,
    "tools": _tools,
    "user": short_text,
    "safety_identifier": short_text,
}
