"""Tools of a chat request, and how they are to be chosen."""

from collections.abc import Mapping
from typing import Any

from llm.translation.chat_over_messages.parts import with_cache_control
from llm.translation.chat_over_messages.schemas import constrained
from llm.translation.refusals import malformed, unsupported

_MODES = {"auto": "auto", "required": "any", "none": "none"}


def tool_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `tools` and `tool_choice` of the messages request; empty without tools."""
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(_list(body, "tools"))]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, choice = _allowed(tools, choice)
    if not tools:
        return {}
    fields: dict[str, Any] = {"tools": tools}
    chosen = _choice(choice)
    if body.get("parallel_tool_calls") is False and chosen.get("type") != "none":
        chosen = {"type": "auto", **chosen, "disable_parallel_tool_use": True}
    if chosen:
        fields["tool_choice"] = chosen
    return fields


def _tool(tool: Any, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise unsupported(where, "Only tools of type `function` are supported.")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise malformed(where, "A function needs its `name`.")
    schema = {"type": "object", "properties": {}, **(function.get("parameters") or {})}
    made: dict[str, Any] = {"name": function["name"], "input_schema": schema}
    if function.get("description"):
        made["description"] = function["description"]
    if function.get("strict"):
        made |= {"strict": True, "input_schema": constrained(schema)}
    return with_cache_control(with_cache_control(made, function), tool)


def _choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    if isinstance(choice, str) and choice in _MODES:
        return {"type": _MODES[choice]}
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return {"type": "tool", "name": function["name"]}
    raise unsupported(
        "tool_choice", "`tool_choice` must be auto, required, none or name a function."
    )


def _allowed(
    tools: list[dict[str, Any]], choice: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], Any]:
    """Return only the tools that may be used, and how; messages have no such choice."""
    allowed = choice.get("allowed_tools")
    if not isinstance(allowed, dict):
        raise malformed("tool_choice", "`allowed_tools` must be an object.")
    names = {
        tool["function"].get("name")
        for tool in _list(allowed, "tools")
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    }
    return [tool for tool in tools if tool["name"] in names], allowed.get("mode")


def _list(source: Mapping[str, Any], name: str) -> list[Any]:
    value = source.get(name) or []
    if not isinstance(value, list):
        raise malformed(name, f"`{name}` must be a list.")
    return value
