"""A chat completion's body."""

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

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def check_chat(body: Mapping[str, Any]) -> None:
    """Refuse a chat body that no provider could serve; raises InvalidRequest."""
    check_names(body)
    _check_messages(body.get("messages"))
    check_fields(body, _FIELDS)
    if body.get("max_tokens") and body.get("max_completion_tokens"):
        refuse(
            "Send `max_tokens` or `max_completion_tokens`, not both.",
            "max_tokens",
            "conflict",
        )


def _check_messages(messages: Any) -> None:
    if messages is None:
        refuse("Send `messages`.", "messages", "missing")
    if not isinstance(messages, list) or not messages:
        refuse("`messages` must be a list that is not empty.", "messages")
    for place, message in enumerate(messages):
        _check_message(message, f"messages[{place}]")


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        refuse("A message must be an object.", where)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        refuse(f"A role must be one of {', '.join(sorted(_ROLES))}.", f"{where}.role")
    if role == "tool" and not message.get("tool_call_id"):
        refuse("A tool message needs its `tool_call_id`.", f"{where}.tool_call_id")
    check_content(message.get("content"), f"{where}.content", _check_part)


def _check_part(part: Mapping[str, Any], where: str) -> None:
    check_text(part, where, "text")
    check_picture(image_url(part), f"{where}.image_url.url")


def image_url(part: Mapping[str, Any]) -> str | None:
    """Return the URL of an image part, None of any other part."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else None


def _stop(value: Any, name: str) -> None:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        refuse("`stop` must be a text or a list of texts.", name)


def _logit_bias(value: Any, name: str) -> None:
    an_object(value, name)
    for token, bias in value.items():
        if not token.isdigit() or isinstance(bias, bool | str | list | dict | None):
            refuse("`logit_bias` maps token ids to numbers.", name)


def _tools(value: Any, name: str) -> None:
    if not isinstance(value, list):
        refuse("`tools` must be a list.", name)
    for place, tool in enumerate(value):
        _check_tool(tool, f"{name}[{place}]")
    functions = [tool["function"] for tool in value if tool.get("function")]
    names = [function.get("name") for function in functions]
    if len(set(map(str, names))) != len(names):
        refuse("Two tools have the same name.", name, "duplicate")


def _check_tool(tool: Any, where: str) -> None:
    if not isinstance(tool, dict):
        refuse("A tool must be an object.", where)
    function = tool.get("function")
    if function is not None and not isinstance(function, dict):
        refuse("A tool's `function` must be an object.", f"{where}.function")
    parameters = (function or {}).get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        refuse("`parameters` must be an object.", f"{where}.function.parameters")
    check_uses(tool, where)


def _response_format(value: Any, name: str) -> None:
    an_object(value, name)
    if depth_of(value) > MOST_SCHEMA_DEPTH:
        refuse("The schema is nested too deeply.", name, "too_deep")


_FIELDS: Mapping[str, Check] = {
    "max_tokens": positive(10_000_000),
    "max_completion_tokens": positive(10_000_000),
    "n": positive(128),
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "frequency_penalty": between(-2, 2),
    "presence_penalty": between(-2, 2),
    "stream": flag,
    "stream_options": an_object,
    "stop": _stop,
    "logit_bias": _logit_bias,
    "user": short_text,
    "tools": _tools,
    "response_format": _response_format,
}
