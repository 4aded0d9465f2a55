"""Why an answer ended, in either format, and the tier that served it."""

from typing import Any

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_SERVED_TIERS = {"standard": "default", "priority": "priority"}
_REFUSED = "The model refused to answer."


def finish_reason(stop_reason: Any) -> str:
    """Return a completion's reason for a message's; one yet unknown is a plain stop."""
    return _FINISH_REASONS.get(str(stop_reason), "stop")


def stop_reason(finish: Any, *, calls_tools: bool) -> str:
    """Return a message's reason for a completion's.

    calls_tools: some servers say `stop` all the same, and a client that reads
    `end_turn` runs no tool.
    """
    reason = _STOP_REASONS.get(str(finish), "end_turn")
    return "tool_use" if calls_tools and reason == "end_turn" else reason


def refusal_text(stop: Any, details: Any) -> str | None:
    """Return what a chat client reads as the refusal; None when nothing was refused."""
    if stop != "refusal":
        return None
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return explanation if isinstance(explanation, str) and explanation else _REFUSED


def chat_tier(usage: Any) -> str | None:
    """Return the tier that a message's usage names, in chat's words."""
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    return _SERVED_TIERS.get(str(tier))
