"""Objects inside objects from strangers, who may have sent something else."""

from collections.abc import Mapping
from typing import Any


def object_at(source: Any, name: str) -> dict[str, Any]:
    """Return the object under a name; an empty one when there is none."""
    value = source.get(name) if isinstance(source, Mapping) else None
    return value if isinstance(value, dict) else {}


def objects_at(source: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects in the list under a name; none when there is no list."""
    value = source.get(name) if isinstance(source, Mapping) else None
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, dict)]
