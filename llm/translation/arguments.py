"""A tool call's arguments: JSON text in chat completions, an object in messages."""

import json
from collections.abc import Mapping
from typing import Any

# Where text is put that is no JSON object: models write such calls, and dropping one
# from the history would leave its result without a question.
UNPARSED = "arguments"


def as_object(text: Any) -> dict[str, Any]:
    """Return arguments as the object they spell; nothing at all spells an empty one."""
    if isinstance(text, Mapping):
        return dict(text)
    if not isinstance(text, str) or not text.strip():
        return {}
    value = _parsed(text)
    return value if isinstance(value, dict) else {UNPARSED: text}


def as_text(value: Any) -> str:
    """Return an input as JSON text; text that came instead of an object stays itself."""
    if isinstance(value, str):
        return value
    return json.dumps(value or {}, ensure_ascii=False, separators=(",", ":"))


def is_complete(text: str) -> bool:
    """Say whether arguments that arrive in pieces are an object nothing can follow."""
    return text.rstrip().endswith("}") and isinstance(_parsed(text), dict)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
