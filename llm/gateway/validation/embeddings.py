"""An embeddings request's body."""

from collections.abc import Mapping
from typing import Any

from llm.gateway.validation.fields import (
    Check,
    check_fields,
    check_names,
    never,
    one_of,
    positive,
    refuse,
    short_text,
)


def check_embeddings(body: Mapping[str, Any]) -> None:
    """Refuse an embeddings body that no provider could serve; raises InvalidRequest."""
    check_names(body)
    for name in ("messages", "tools"):
        if name in body:
            refuse(f"Embeddings take no `{name}`.", name, "unknown_parameter")
    given = body.get("input")
    if given is None:
        refuse("Send `input`.", "input", "missing")
    if isinstance(given, list):
        if not given or not all(map(_is_embeddable, given)):
            refuse(
                "`input` must be texts or lists of token ids, and not empty.", "input"
            )
    elif not isinstance(given, str) or not given:
        refuse("`input` must be a text that is not empty, or a list.", "input")
    check_fields(body, _EMBEDDING_FIELDS)


def _is_embeddable(given: Any) -> bool:
    if isinstance(given, list):
        return bool(given) and all(map(_is_token, given))
    return _is_token(given) or (isinstance(given, str) and bool(given))


def _is_token(given: Any) -> bool:
    return type(given) is int and 0 <= given < 2**31


_EMBEDDING_FIELDS: Mapping[str, Check] = {
    "dimensions": positive(100_000),
    "encoding_format": one_of("float", "base64"),
    "stream": never,
    "user": short_text,
}
