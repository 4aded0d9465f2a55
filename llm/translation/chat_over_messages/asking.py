"""A chat request as a request for a message."""

from collections.abc import Callable, Mapping
from typing import Any

from llm.providers.openai import output_limit
from llm.translation.chat_over_messages.conversation import split_conversation
from llm.translation.chat_over_messages.parts import text_block
from llm.translation.chat_over_messages.schemas import constrained
from llm.translation.chat_over_messages.thinking import sampling_fields, thinking_fields
from llm.translation.chat_over_messages.tools import tool_fields
from llm.translation.refusals import malformed, unsupported

_ONLY_JSON = "Answer with one JSON object and nothing else: no prose, no code fence."
_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "fast": "auto",
    "default": "standard_only",
    "standard_only": "standard_only",
}


def request(body: Mapping[str, Any], *, model: str, max_tokens: int) -> dict[str, Any]:
    """Return the messages request that asks for what a chat request asks for.

    max_tokens: the limit when the request names none; messages need one.
    Fields that only steer (`seed`, penalties, `store`) or that are unknown are left
    out, as messages refuse every field they do not know. Raises InvalidRequest with
    code unsupported_parameter for what would change the answer.
    """
    _refuse_impossible(body)
    system, turns = split_conversation(body.get("messages"))
    output = _output_format(body)
    if _response_type(body) == "json_object":
        system.append(text_block(_ONLY_JSON))
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": output_limit(body) or max_tokens,
        "messages": turns,
        **({"system": system} if system else {}),
        **tool_fields(body),
        **_plain_fields(body),
    }
    thinking = thinking_fields(body, asked)
    output |= thinking.pop("output_config", {})
    asked |= thinking
    if output:
        asked["output_config"] = output
    return asked | sampling_fields(body, asked)


def _plain_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is only named otherwise."""
    user = body.get("user") or body.get("safety_identifier")
    fields = {
        # White space alone may end a chat, not a message.
        "stop_sequences": [text for text in _stops(body) if text.strip()],
        "metadata": {"user_id": str(user)} if user else None,
        "service_tier": _TIERS.get(str(body.get("service_tier"))),
        "cache_control": body.get("cache_control"),
        "stream": True if body.get("stream") else None,
    }
    return {name: value for name, value in fields.items() if value}


def _stops(body: Mapping[str, Any]) -> list[str]:
    stop = body.get("stop") or []
    stops = stop if isinstance(stop, list) else [stop]
    if not all(isinstance(text, str) for text in stops):
        raise malformed("stop", "`stop` must be a text or a list of texts.")
    return stops


def _response_type(body: Mapping[str, Any]) -> str:
    wanted = body.get("response_format")
    return str(wanted.get("type")) if isinstance(wanted, dict) else "text"


def _output_format(body: Mapping[str, Any]) -> dict[str, Any]:
    kind = _response_type(body)
    if kind in ("text", "json_object"):
        return {}
    if kind != "json_schema":
        raise unsupported(
            "response_format",
            "Only text, JSON objects and JSON schemas can be asked for.",
        )
    named = body["response_format"].get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise malformed("response_format", "`json_schema` needs its `schema`.")
    return {"format": {"type": "json_schema", "schema": constrained(schema)}}


def _refuse_impossible(body: Mapping[str, Any]) -> None:
    for name, (is_harmless, sentence) in _IMPOSSIBLE.items():
        value = body.get(name)
        if value and not is_harmless(value):
            raise unsupported(name, sentence)


def _never(value: Any) -> bool:
    return False


_IMPOSSIBLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda n: n == 1, "This model gives one answer at a time: `n` must be 1."),
    "logprobs": (_never, "This model tells no `logprobs`."),
    "top_logprobs": (_never, "This model tells no `top_logprobs`."),
    "logit_bias": (_never, "This model takes no `logit_bias`."),
    "audio": (_never, "This model cannot speak: it gives no `audio`."),
    "modalities": (
        lambda names: names == ["text"],
        "This model answers in text: `modalities` must be text.",
    ),
    "web_search_options": (_never, "This model takes no `web_search_options`."),
    "moderation": (_never, "This model runs no `moderation`."),
    "functions": (_never, "`functions` are not supported; use `tools`."),
    "function_call": (_never, "`function_call` is not supported; use `tool_choice`."),
}
