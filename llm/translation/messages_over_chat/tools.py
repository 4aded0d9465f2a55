"""Tools of a messages request, and how they are to be chosen."""

from collections.abc import Iterator, Mapping
from typing import Any

from llm.translation.refusals import malformed, unsupported

_MODES = {"auto": "auto", "any": "required", "none": "none"}


def tool_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`; empty without tools."""
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise malformed("tools", "`tools` must be a list.")
    if not tools:
        return {}
    fields: dict[str, Any] = {
        "tools": [_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]
    }
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        fields["tool_choice"] = _choice(choice)
        if choice.get("disable_parallel_tool_use"):
            fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: Any, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        raise malformed(where, "A tool needs its `name`.")
    if tool.get("type") not in (None, "custom"):
        raise unsupported(
            where,
            f"The tool `{tool['type']}` runs only on models that speak messages; "
            "send tools with an `input_schema`.",
        )
    function: dict[str, Any] = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    schema = tool.get("input_schema") or {}
    if not isinstance(schema, dict):
        raise malformed(f"{where}.input_schema", "`input_schema` must be an object.")
    function["parameters"] = {"type": "object", "properties": {}, **schema}
    if tool.get("strict") and is_closed(schema):
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: Mapping[str, Any]) -> Any:
    kind = str(choice.get("type"))
    if kind in _MODES:
        return _MODES[kind]
    if kind == "tool" and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    raise malformed("tool_choice", "`tool_choice` must be auto, any, none or a tool.")


def is_closed(schema: Any) -> bool:
    """Say whether OpenAI's strict mode takes a schema: closed, everything required."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and not _is_closed_object(schema):
        return False
    return all(map(is_closed, _inner_schemas(schema)))


def _is_closed_object(schema: Mapping[str, Any]) -> bool:
    optional = set(schema.get("properties") or ()) - set(schema.get("required") or ())
    return schema.get("additionalProperties") is False and not optional


def _inner_schemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schemas inside one; under `properties` the keys are names."""
    for name in ("properties", "$defs", "definitions"):
        yield from (schema.get(name) or {}).values()
    for name in ("items", "anyOf", "oneOf", "allOf"):
        yield schema.get(name)
