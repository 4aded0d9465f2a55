"""JSON from strangers: what a parser usually forgives is refused here.

orjson parses in C, yet keeps the last of two equal keys, turns integers beyond 64 bits
into floats and lets NUL through. The guards below are byte counts and searches in C
that prove an ordinary body harmless in a few microseconds; only a body they cannot
clear is walked in Python.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 32
MAX_KEYS = 10_000
MAX_CONTAINERS = 100_000  # walking through millions would hold up everybody else
_BIGGEST = 2**64 - 1
_SMALLEST = -(2**63)

# What is left of a body for counting: one pass over it instead of one per character.
_STRUCTURE = b"[{:"
_REST = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
# Digits become "0", so that one search finds any long run of them.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
_ESCAPED_COLON = re.compile(rb"\\u003a", re.IGNORECASE)


class StrictJSONError(ValueError):
    """Why a body was refused.

    code: parse_error, duplicate_key, too_deep, too_many_keys, nul_character, surrogate
    or payload_too_large. path: the dotted place of it, None for the whole body.
    """

    def __init__(self, code: str, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path[:200] if path else None


def loads(
    data: bytes,
    *,
    max_depth: int = MAX_DEPTH,
    max_keys: int = MAX_KEYS,
    max_bytes: int | None = None,
    allow_nul: bool = False,
) -> Any:
    """Parse one JSON document or raise StrictJSONError.

    max_depth: levels of arrays and objects. max_keys: in one object. allow_nul is for
    text that is passed on and not stored.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise StrictJSONError("payload_too_large", f"At most {max_bytes} bytes.")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _explain(data, error, max_depth=max_depth)
    structure = data.translate(None, _REST)
    colons = structure.count(b":")
    if len(structure) - colons > MAX_CONTAINERS:  # texts may hold brackets too
        _check_count(value)
    if len(structure) - colons > max_depth:
        _check_depth(value, max_depth)
    if colons > max_keys:
        _check_width(value, max_keys)
    escapes = b"\\u00" in data
    if _may_repeat_keys(
        data, value, colons=colons, escapes=escapes
    ) or _LONG_NUMBER in data.translate(_DIGITS):
        _check_exactly(data)
    if escapes and not allow_nul and b"\\u0000" in data:
        _check_nul(value)
    return value


def _may_repeat_keys(data: bytes, value: Any, *, colons: int, escapes: bool) -> bool:
    """Say whether keys may have been dropped: each one takes a colon with it.

    Written again, the value has the colons of its keys and texts, as the original has,
    unless a key was dropped; an escaped colon would blur the count.
    """
    if colons < 2:
        return False
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return True
    return written.count(b":") != colons or (
        escapes and _ESCAPED_COLON.search(data) is not None
    )


def _check_exactly(data: bytes) -> None:
    """Parse again, slowly, looking at every key and every integer as written."""
    try:
        json.loads(data, object_pairs_hook=_unique_pairs, parse_int=_checked_int)
    except RecursionError as error:
        raise _too_deep() from error


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Counter(key for key, _ in pairs).most_common(1)[0][0][:100]
    raise StrictJSONError(
        "duplicate_key", f"The key {repeated!r} occurs twice.", path=repeated
    )


def _checked_int(text: str) -> int:
    # Its length first: turning thousands of digits into an int takes quadratic time.
    if len(text) > 20 or not _SMALLEST <= int(text) <= _BIGGEST:
        raise StrictJSONError("parse_error", "A number does not fit into 64 bits.")
    return int(text)


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max_depth):
        level = [
            child
            for parent in level
            for child in _children(parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep()


def _check_count(value: Any) -> None:
    pending, count = [value], 0
    while pending:
        count += 1
        if count > MAX_CONTAINERS:
            raise StrictJSONError(
                "payload_too_large", f"At most {MAX_CONTAINERS} objects and arrays."
            )
        children = _children(pending.pop())
        pending.extend(c for c in children if type(c) in (dict, list))


def _check_width(value: Any, max_keys: int) -> None:
    pending = [value]
    while pending:
        node = pending.pop()
        if type(node) is dict and len(node) > max_keys:
            raise StrictJSONError(
                "too_many_keys", f"An object holds more than {max_keys} keys."
            )
        pending.extend(c for c in _children(node) if type(c) in (dict, list))


def _children(node: Any) -> Iterable[Any]:
    if type(node) is dict:
        return node.values()
    return node if type(node) is list else ()


def _check_nul(value: Any) -> None:
    path = _find(value, "\0")
    if path is not None:
        raise StrictJSONError(
            "nul_character", "Text must not contain the NUL character.", path=path
        )


def _find(value: Any, needle: str) -> str | None:
    """Return the dotted path of the first text that holds a character."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, str) and needle in node:
            return path
        if isinstance(node, dict):
            if any(needle in key for key in node):
                return path
            pending.extend((f"{path}.{key}".lstrip("."), c) for key, c in node.items())
        elif isinstance(node, list):
            pending.extend((f"{path}.{i}".lstrip("."), c) for i, c in enumerate(node))
    return None


def _too_deep() -> StrictJSONError:
    return StrictJSONError("too_deep", "The JSON is nested too deeply.")


def _explain(data: bytes, error: ValueError, *, max_depth: int) -> NoReturn:
    """Turn the parser's complaint into a code of ours."""
    text = str(error)
    if "surrogate in string" in text:
        raise StrictJSONError(
            "surrogate", "Text must not contain half of a surrogate pair."
        ) from error
    if "depth limit" in text and data.rstrip()[-1:] in (b"]", b"}"):
        raise _too_deep() from error
    raise StrictJSONError("parse_error", f"Not valid JSON: {text[:200]}") from error
