"""A request for a message as a chat request."""

from collections.abc import Mapping
from typing import Any

from llm.translation.messages_over_chat.conversation import join_conversation
from llm.translation.messages_over_chat.tools import is_closed, tool_fields
from llm.translation.refusals import malformed, unsupported
from llm.translation.shapes import object_at

_KEPT = ("model", "temperature", "top_p", "stream")
_TIERS = {"auto": "auto", "standard_only": "default"}
_SCHEMA_NAME = "answer"
_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
_MEDIUM_BUDGET = 4096
_HIGH_BUDGET = 16_384
_IMPOSSIBLE = {
    "mcp_servers": "This model calls no MCP servers.",
    "container": "This model runs no `container`.",
    "inference_geo": "Where this model runs cannot be chosen by `inference_geo`.",
    "fallbacks": "Other models are chosen by a route, not by `fallbacks`.",
}


def request(body: Mapping[str, Any], *, limit: str = "max_tokens") -> dict[str, Any]:
    """Return the chat request that asks for what a messages request asks for.

    limit: the name under which the server takes the most tokens; OpenAI's newer models
    know only max_completion_tokens. Fields that only steer (`top_k`, cache marks) and
    that are unknown are left out. Raises InvalidRequest with code unsupported_parameter
    for what would change the answer.
    """
    for name, sentence in _IMPOSSIBLE.items():
        if body.get(name):
            raise unsupported(name, sentence)
    metadata = object_at(body, "metadata")
    fields = {
        **{name: body.get(name) for name in _KEPT},
        "messages": join_conversation(body.get("system"), body.get("messages")),
        limit: body.get("max_tokens"),
        "stop": body.get("stop_sequences") or None,
        "user": metadata.get("user_id") or None,
        "service_tier": _TIERS.get(str(body.get("service_tier"))),
        "reasoning_effort": _effort(body),
        "response_format": _response_format(body),
        **tool_fields(body),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _effort(body: Mapping[str, Any]) -> str | None:
    """Return how hard to think; None leaves it to the model.

    Without thinking nothing is said: a model that cannot reason refuses the field.
    """
    thinking = object_at(body, "thinking")
    effort = object_at(body, "output_config").get("effort")
    if not isinstance(effort, str | None):
        raise malformed("output_config.effort", "`effort` must be a text.")
    if thinking.get("type") not in ("enabled", "adaptive"):
        return None
    if effort in _EFFORTS:
        return str(effort)
    budget = thinking.get("budget_tokens")
    if type(budget) is not int:
        return None
    if budget < _MEDIUM_BUDGET:
        return "low"
    return "medium" if budget < _HIGH_BUDGET else "high"


def _response_format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    output = object_at(body, "output_config").get("format") or body.get("output_format")
    if not output:
        return None
    schema = output.get("schema") if isinstance(output, dict) else None
    if not isinstance(schema, dict):
        raise malformed("output_config", "An output format needs its `schema`.")
    named = {"name": _SCHEMA_NAME, "schema": schema, "strict": is_closed(schema)}
    return {"type": "json_schema", "json_schema": named}
