"""Checks of single fields: each takes the value and its name, and refuses or not."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from devora_ops.common.errors import InvalidRequest
from llm.gateway.bounds import MOST_TOLD_SEARCHES

Check = Callable[[Any, str], None]

REFUSED_FIELDS = frozenset(
    {
        "api_key",
        "api_base",
        "base_url",
        "extra_headers",
        "callbacks",
        "mock_response",
    }
)
_MOST_USER_BYTES = 1024
MOST_SCHEMA_DEPTH = 64


def refuse(message: str, param: str | None, code: str = "invalid") -> NoReturn:
    raise InvalidRequest(message, code=code, param=param)


def check_names(body: Mapping[str, Any]) -> None:
    if REFUSED_FIELDS.isdisjoint(body):
        return
    for name in REFUSED_FIELDS & body.keys():
        refuse(
            f"`{name}` is not accepted: providers and their keys are set by the "
            "gateway's operator.",
            name,
            "unknown_parameter",
        )


def check_fields(body: Mapping[str, Any], fields: Mapping[str, Check]) -> None:
    for name, value in body.items():
        if value is not None and name in fields:
            fields[name](value, name)


def positive(most: int) -> Check:
    def check(value: Any, name: str) -> None:
        if type(value) is not int:
            refuse(f"`{name}` must be a whole number.", name)
        if not 1 <= value <= most:
            refuse(f"`{name}` must be between 1 and {most}.", name, "range")

    return check


def between(low: float, high: float) -> Check:
    def check(value: Any, name: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(f"`{name}` must be a number.", name)
        if not low <= value <= high:
            refuse(f"`{name}` must be between {low} and {high}.", name, "range")

    return check


def flag(value: Any, name: str) -> None:
    if not isinstance(value, bool):
        refuse(f"`{name}` must be true or false.", name)


def never(value: Any, name: str) -> None:
    if value is not False:
        refuse("Embeddings do not stream.", name)


def one_of(*allowed: str) -> Check:
    def check(value: Any, name: str) -> None:
        if value not in allowed:
            refuse(f"`{name}` must be one of {', '.join(allowed)}.", name)

    return check


def check_uses(tool: Mapping[str, Any], where: str) -> None:
    """Refuse a tool's `max_uses` that says nothing of what it may cost."""
    most = tool.get("max_uses")
    if most is not None:
        positive(MOST_TOLD_SEARCHES)(most, f"{where}.max_uses")


def an_object(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        refuse(f"`{name}` must be an object.", name)


def short_text(value: Any, name: str) -> None:
    if not isinstance(value, str) or "\0" in value:
        refuse(f"`{name}` must be a text.", name)
    if len(value.encode()) > _MOST_USER_BYTES:
        refuse(
            f"`{name}` may have at most {_MOST_USER_BYTES} bytes.", name, "max_length"
        )


def is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def depth_of(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth
