"""Makes a JSON value that fits a JSON schema (the common part of it)."""

from collections.abc import Mapping
from random import Random
from typing import Any

_DEPTH = 6
_WORDS = ("billing", "latency", "release", "search", "export", "login", "webhook")


def sample(
    schema: Mapping[str, Any],
    dice: Random,
    *,
    root: Mapping[str, Any] | None = None,
    depth: int = 0,
) -> Any:
    """Return a value of the schema; deeper than six levels it is null.

    root: where `$ref`s point to; the schema itself by default.
    """
    root = schema if root is None else root
    schema = _resolved(schema, root)
    if depth > _DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return dice.choice(schema["enum"])
    make = _MAKERS.get(_type_of(schema), _make_null)
    return make(schema, dice, root, depth + 1)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            schema = schema[union][0]
    reference = schema.get("$ref", "")
    if not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part, {})
    return found if isinstance(found, Mapping) else {}


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind[0] if isinstance(kind, list) and kind else kind)


def _make_object(
    schema: Mapping[str, Any], dice: Random, root: Mapping[str, Any], depth: int
) -> Any:
    properties = schema.get("properties", {})
    return {
        name: sample(value, dice, root=root, depth=depth)
        for name, value in properties.items()
    }


def _make_array(
    schema: Mapping[str, Any], dice: Random, root: Mapping[str, Any], depth: int
) -> Any:
    count = max(schema.get("minItems", 0), dice.randint(1, 3))
    items = schema.get("items", {})
    return [sample(items, dice, root=root, depth=depth) for _ in range(count)]


def _make_string(
    _schema: Mapping[str, Any], dice: Random, _root: Mapping[str, Any], _depth: int
) -> Any:
    return dice.choice(_WORDS)


def _make_integer(
    schema: Mapping[str, Any], dice: Random, _root: Mapping[str, Any], _depth: int
) -> Any:
    low = int(schema.get("minimum", 1))
    return dice.randint(low, max(low, int(schema.get("maximum", low + 99))))


def _make_number(
    schema: Mapping[str, Any], dice: Random, _root: Mapping[str, Any], _depth: int
) -> Any:
    low = float(schema.get("minimum", 0))
    return round(dice.uniform(low, float(schema.get("maximum", low + 1))), 3)


def _make_boolean(
    _schema: Mapping[str, Any], dice: Random, _root: Mapping[str, Any], _depth: int
) -> Any:
    return dice.random() < 0.5


def _make_null(
    _schema: Mapping[str, Any], _dice: Random, _root: Mapping[str, Any], _depth: int
) -> Any:
    return None


_MAKERS = {
    "object": _make_object,
    "array": _make_array,
    "string": _make_string,
    "integer": _make_integer,
    "number": _make_number,
    "boolean": _make_boolean,
}
