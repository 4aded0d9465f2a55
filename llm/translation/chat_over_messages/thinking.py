"""How hard to think and how freely to sample: the two exclude each other."""

from collections.abc import Mapping
from typing import Any

from llm.translation.chat_over_messages import generations
from llm.translation.shapes import object_at

LEAST_BUDGET = 1024
_BUDGETS = {
    "minimal": LEAST_BUDGET,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
# Not every later model can stop thinking, and every one can think little.
_EFFORTS = {"none": "low", "minimal": "low"}


def thinking_fields(
    body: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `thinking` and the effort that a reasoning effort comes to.

    asked: the messages request so far. `thinking` in the body is Anthropic's own field
    and is kept as it is.
    """
    if body.get("thinking"):
        return {"thinking": body["thinking"]}
    effort = body.get("reasoning_effort")
    if not isinstance(effort, str):
        return {}
    if generations.thinks_adaptively(asked["model"]):
        return _adaptive(effort, asked)
    return _budgeted(effort, asked)


def sampling_fields(
    body: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return temperature, top_p and top_k as far as the model takes them.

    Chats go up to a temperature of 2, messages to 1; and of temperature and top_p
    newer models take only one.
    """
    thinks = object_at(asked, "thinking").get("type") in ("enabled", "adaptive")
    if thinks or not generations.samples(asked["model"]):
        return {}
    names = ("top_k", "temperature")
    fields = {name: body[name] for name in names if body.get(name) is not None}
    if "temperature" in fields:
        fields["temperature"] = _capped(fields["temperature"])
    elif body.get("top_p") is not None:
        fields["top_p"] = body["top_p"]
    return fields


def _capped(temperature: Any) -> Any:
    return min(temperature, 1) if isinstance(temperature, int | float) else temperature


def _adaptive(effort: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _EFFORTS.get(effort, effort)
    if wanted == "xhigh" and not generations.knows_extra_high_effort(asked["model"]):
        wanted = "high"
    fields: dict[str, Any] = {"output_config": {"effort": wanted}}
    if effort != "none" and not _forces_a_tool(asked):
        # Newer models keep their thoughts to themselves unless they are asked.
        fields["thinking"] = {"type": "adaptive", "display": "summarized"}
    return fields


def _budgeted(effort: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    limit = asked["max_tokens"]
    # The budget is part of the limit: half of it is left for the answer.
    budget = max(LEAST_BUDGET, min(_BUDGETS.get(effort, 0), limit // 2))
    blocked = _forces_a_tool(asked) or _is_amid_tools(asked)
    if effort not in _BUDGETS or budget >= limit or blocked:
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _forces_a_tool(asked: Mapping[str, Any]) -> bool:
    """A tool that must be called leaves no room for thinking, and is refused with it."""
    return (asked.get("tool_choice") or {}).get("type") in ("any", "tool")


def _is_amid_tools(asked: Mapping[str, Any]) -> bool:
    """Between a call and its result a budget needs the signed thoughts, which chats lose."""
    return bool(asked["messages"][-1]["content"][0]["type"] == "tool_result")
