"""A rendered prompt in another format's request: prompts are written as chat."""

from collections.abc import Mapping
from typing import Any

_SYSTEM = ("system", "developer")
DEFAULT_MAX_TOKENS = 4096
# What a prompt's parameters are called in a Messages request.
_RENAMED = {"max_completion_tokens": "max_tokens", "stop": "stop_sequences"}
_UNKNOWN = ("n", "frequency_penalty", "presence_penalty", "seed", "logprobs")
_UNKNOWN_TO_RESPONSES = (*_UNKNOWN, "stop", "logit_bias")
_LIMITS = ("max_completion_tokens", "max_tokens")


def adopt_rendered(body: dict[str, Any]) -> dict[str, Any]:
    """Return the Messages body of a prompt that was rendered to chat messages.

    The messages of the request itself, which follow the rendered ones, have Anthropic's
    shape already.
    """
    messages = body["messages"]
    adopted = {
        _RENAMED.get(name, name): value
        for name, value in body.items()
        if name not in (*_UNKNOWN, "response_format")
    }
    adopted["messages"] = [m for m in messages if m.get("role") not in _SYSTEM]
    system = [str(m.get("content")) for m in messages if m.get("role") in _SYSTEM]
    if system:
        adopted["system"] = _joined(system, body.get("system"))
    if isinstance(stop := adopted.get("stop_sequences"), str):
        adopted["stop_sequences"] = [stop]
    if schema := _schema(body.get("response_format")):
        output = adopted.get("output_config") or {}
        format_ = {"type": "json_schema", "schema": schema}
        adopted["output_config"] = {**output, "format": format_}
    adopted.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    return adopted


def lend_responses(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a Responses request with its input as messages."""
    given = body.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    lent = {name: value for name, value in body.items() if name != "input"}
    return lent if given is None else {**lent, "messages": given}


def adopt_responses(body: dict[str, Any]) -> dict[str, Any]:
    """Return the Responses body of a prompt that was rendered to chat messages."""
    apart = (*_UNKNOWN_TO_RESPONSES, *_LIMITS, "messages", "response_format")
    adopted = {name: value for name, value in body.items() if name not in apart}
    adopted["input"] = body["messages"]
    limit = next((body[name] for name in _LIMITS if body.get(name)), None)
    if limit is not None:
        adopted.setdefault("max_output_tokens", limit)
    if described := _described(body.get("response_format")):
        text = adopted.get("text") or {}
        adopted["text"] = {**text, "format": {"type": "json_schema", **described}}
    return adopted


def _joined(rendered: list[str], own: Any) -> Any:
    """Put the prompt's system texts before the request's, which may be blocks."""
    if isinstance(own, list):
        return [*({"type": "text", "text": text} for text in rendered), *own]
    return "\n\n".join([*rendered, own] if own else rendered)


def _schema(response_format: Any) -> Any:
    return _described(response_format).get("schema")


def _described(response_format: Any) -> Mapping[str, Any]:
    """Return a schema with its name, as chat has it; empty when there is none."""
    if not isinstance(response_format, Mapping):
        return {}
    described = response_format.get("json_schema")
    return described if isinstance(described, Mapping) else {}
