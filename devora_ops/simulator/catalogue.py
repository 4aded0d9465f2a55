"""GET /v1/models: a believable list, in the format of whoever asks."""

from typing import Any

from devora_ops.simulator.connection import Headers

_OPENAI = (
    "gpt-5.2",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-6-luna",
    "gpt-6.1-sol",
    "text-embedding-3-large",
    "text-embedding-3-small",
    "sim-instant",
)
_ANTHROPIC = (
    "claude-haiku-4-5",
    "claude-haiku-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
)
_CREATED = 1767225600
_CREATED_AT = "2026-01-01T00:00:00Z"


def models(headers: Headers) -> dict[str, Any]:
    """Return the list: Anthropic's when its version header is there."""
    if any(name == b"anthropic-version" for name, _ in headers):
        return _anthropic_list()
    data = [
        {"id": name, "object": "model", "created": _CREATED, "owned_by": "system"}
        for name in (*_OPENAI, *_ANTHROPIC)
    ]
    return {"object": "list", "data": data}


def _anthropic_list() -> dict[str, Any]:
    data = [
        {
            "type": "model",
            "id": name,
            "display_name": name.replace("-", " ").title(),
            "created_at": _CREATED_AT,
        }
        for name in _ANTHROPIC
    ]
    ends = {"first_id": _ANTHROPIC[0], "last_id": _ANTHROPIC[-1]}
    return {"data": data, "has_more": False, **ends}
