"""JSON schemas as Anthropic's constrained decoding takes them.

Objects must be closed, and limits on numbers, lengths and counts are refused: they are
told to the model in the description instead.
Source: platform.claude.com, "Structured outputs", "JSON Schema limitations".
"""

import json
from collections.abc import Mapping
from typing import Any

_LIMITS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf")


def constrained(schema: Any) -> Any:
    """Return a schema that the decoder accepts and that says the same to the model."""
    if not isinstance(schema, Mapping):
        return schema
    said = {name: schema[name] for name in _LIMITS if not _is_allowed(schema, name)}
    kept = {name: _inner(name, schema[name]) for name in schema if name not in said}
    if "oneOf" in kept:
        kept["anyOf"] = [*kept.get("anyOf", ()), *kept.pop("oneOf")]
    if _is_object(schema):
        kept["additionalProperties"] = False
    if said:
        limits = ", ".join(f"{name}: {json.dumps(said[name])}" for name in said)
        kept["description"] = f"{kept.get('description', '')} ({limits})".strip()
    return kept


def _is_allowed(schema: Mapping[str, Any], name: str) -> bool:
    return name not in schema or (name == "minItems" and schema[name] in (0, 1))


def _inner(name: str, value: Any) -> Any:
    if name in _MAPS and isinstance(value, Mapping):
        return {key: constrained(schema) for key, schema in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [constrained(schema) for schema in value]
    return constrained(value) if name == "items" else value


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)
