"""Copy the caller's variables: JSON only, measured, and never the caller's own objects."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from prompts.template.errors import TemplateInvalid, TemplateTooExpensive
from prompts.template.operands import Path
from prompts.template.vocabulary import KEYWORDS, RESERVED

MAX_CONTEXT_BYTES = 1024 * 1024
MAX_NODES = 50_000
_MAX_DEPTH = 32
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
# Comparing an element costs as much as comparing this much of a string (measured).
_NODE_BYTES = 2048
# Weighing each path on its own stops paying when it takes longer than the render.
_MAX_WEIGHED = 500_000


class JSONObject(dict[str, Any]):
    """A JSON object whose Python methods no template can see."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise AttributeError(name)


class JSONArray(list[Any]):
    """A JSON array whose Python methods no template can see."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class Values:
    """The copied variables; longest: bytes of the longest string; nodes: how many."""

    data: dict[str, Any]
    longest: int
    nodes: int

    def comparison_weight(self, paths: tuple[Path, ...]) -> int:
        """Return what comparing the largest value on these paths costs, in bytes."""
        if len(paths) * self.nodes > _MAX_WEIGHED:
            return _NODE_BYTES * self.nodes
        reached = (value for path in paths for value in _reach(self.data, path))
        return max((_weight(value) for value in reached), default=1)


@lru_cache(maxsize=1024)
def check_name(name: object) -> str:
    """Return a variable's name, or raise TemplateInvalid."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        shown = str(name)[:40]
        message = f"{shown!r} is no variable name: letters, digits, underscores."
        raise TemplateInvalid(message, code="invalid_name")
    if name in RESERVED or name in KEYWORDS:
        raise TemplateInvalid(f"The name {name!r} is reserved.", code="reserved")
    return name


def text_bytes(text: str) -> int:
    """Return a text's length in UTF-8, or raise TemplateInvalid for half a character."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        message = "A value holds half a character."
        raise TemplateInvalid(message, code="invalid_unicode") from None


def copy_values(variables: Mapping[str, Any]) -> Values:
    """Copy variables deeply, refusing what is not JSON and what is too much."""
    copier = _Copier()
    data = {check_name(name): copier.copy(v, 1) for name, v in variables.items()}
    return Values(data=data, longest=copier.longest, nodes=copier.nodes)


class _Copier:
    def __init__(self) -> None:
        self.bytes = 0
        self.nodes = 0
        self.longest = 1

    def copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        self._node()
        if kind is dict or kind is list:
            if depth > _MAX_DEPTH:
                message = f"Values nest {_MAX_DEPTH} deep at most."
                raise TemplateInvalid(message, code="too_deep")
            copy = self._object if kind is dict else self._array
            return copy(value, depth + 1)
        return _scalar(value)

    def _object(self, value: dict[Any, Any], depth: int) -> JSONObject:
        copied = JSONObject()
        for key, item in value.items():
            if type(key) is not str:
                raise TemplateInvalid("An object's keys are texts.", code="not_json")
            copied[self._text(key)] = self.copy(item, depth)
        return copied

    def _array(self, value: list[Any], depth: int) -> JSONArray:
        return JSONArray([self.copy(item, depth) for item in value])

    def _text(self, value: str) -> str:
        size = len(value) if value.isascii() else text_bytes(value)
        if size > self.longest:
            self.longest = size
        self.bytes += size
        self._node()
        return value

    def _node(self) -> None:
        self.nodes += 1
        self.bytes += 1
        if self.bytes > MAX_CONTEXT_BYTES or self.nodes > MAX_NODES:
            raise TemplateTooExpensive("The values are too large to render.")


def _scalar(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int and value.bit_length() <= 63:
        return value
    if kind is float and math.isfinite(value):
        return value
    message = "Values are JSON: text, number, true, false, null, list or object."
    raise TemplateInvalid(message, code="not_json")


def _reach(value: Any, path: Path) -> Iterator[Any]:
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if step is None:
        for element in _elements(value):
            yield from _reach(element, rest)
        return
    with suppress(LookupError, TypeError):
        yield from _reach(value[step], rest)


def _elements(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        # A loop over an object gives its keys, a subscript its values.
        yield from dict.keys(value)
        yield from dict.values(value)
    elif isinstance(value, list):
        yield from value


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return _NODE_BYTES * sum(_count_nodes(value))


def _count_nodes(value: Any) -> Iterator[int]:
    yield 1
    for element in _elements(value):
        yield from _count_nodes(element)
