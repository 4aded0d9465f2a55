"""Errors as each wire format spells them."""

from collections.abc import Callable, Mapping
from typing import Any

from devora_ops.common.errors import DevoraError

# An error and the request's id in, the body's fields out.
ErrorBody = Callable[[DevoraError, str], Mapping[str, Any]]

_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def openai_error(error: DevoraError, request_id: str) -> Mapping[str, Any]:
    """Return OpenAI's four fields, and the facts that go with them."""
    return {"error": openai_fields(error)}


def openai_fields(error: DevoraError) -> Mapping[str, Any]:
    """Return the fields of an error as chat completions have them."""
    return {
        "message": error.message,
        "type": _OPENAI_TYPES.get(error.status, _fallback(error.status)),
        "param": error.param,
        "code": error.code,
        **error.extra,
    }


def anthropic_error(error: DevoraError, request_id: str) -> Mapping[str, Any]:
    """Return an error as Messages have it."""
    return {
        "type": "error",
        "error": anthropic_fields(error),
        "request_id": request_id,
    }


def anthropic_fields(error: DevoraError) -> Mapping[str, Any]:
    """Return the fields of an error as Messages have them, and our code beside them."""
    return {
        "type": _ANTHROPIC_TYPES.get(error.status, _fallback(error.status)),
        "message": error.message,
        "code": error.code,
        "param": error.param,
        **error.extra,
    }


def _fallback(status: int) -> str:
    return "invalid_request_error" if status < 500 else "api_error"
