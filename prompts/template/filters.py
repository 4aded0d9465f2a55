"""The filters prompts may use, each paying for the text it reads and makes."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from prompts.template.errors import (
    TemplateInvalid,
    TemplateTooExpensive,
    TemplateVariableMissing,
)
from prompts.template.parser import MAX_RANGE
from prompts.template.values import JSONArray, JSONObject, text_bytes
from prompts.template.vocabulary import ENGINE_FILTERS, FILTERS

MAX_OUTPUT_BYTES = 1024 * 1024
_MAX_WORK = 8 * 1024 * 1024
_MAX_NUMBER_TEXT = 24
_SUBSCRIPT = re.compile(r"""\[["']([^"'\]]*)["']\]""")
_METHODS = {
    "count": "length",
    "float": "to_float",
    "int": "to_int",
    "round": "rounded",
    "string": "text",
}
_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
    JSONObject: "an object",
    JSONArray: "a list",
    list: "a list",
}


class Meter:
    """What one render has put out and worked through so far, in bytes."""

    def __init__(self) -> None:
        self.output = 0
        self.work = 0

    def spend(self, size: int) -> None:
        """Count work done; a filter pays before it builds its result."""
        self.work += size + 1
        if self.work > _MAX_WORK:
            raise TemplateTooExpensive("The filters work through too much text.")


def as_text(value: Any) -> str:
    """Return a value as the text that a prompt shows.

    Lists and objects are JSON; a whole float loses its `.0` on the way here.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    raise _wrong("text", value)


class Filters:
    """The filters of one engine; `meter` is replaced for each render."""

    def __init__(self) -> None:
        self.meter = Meter()

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by the names that templates use."""
        ours = FILTERS.keys() - ENGINE_FILTERS
        return {name: getattr(self, _METHODS.get(name, name)) for name in ours}

    def reset(self) -> None:
        """Start to count anew."""
        self.meter = Meter()

    def show(self, value: Any) -> str:
        """Give the text of a value that is put out, and count it."""
        text = value if type(value) is str else as_text(value)
        meter = self.meter
        meter.output += len(text) if text.isascii() else text_bytes(text)
        if meter.output > MAX_OUTPUT_BYTES:
            raise TemplateTooExpensive("The rendered text is longer than 1 MB.")
        return text

    def upper(self, value: Any) -> str:
        return self.text(value).upper()

    def lower(self, value: Any) -> str:
        return self.text(value).lower()

    def title(self, value: Any) -> str:
        return self.text(value).title()

    def capitalize(self, value: Any) -> str:
        return self.text(value).capitalize()

    def trim(self, value: Any) -> str:
        return self.text(value).strip()

    def replace(self, value: Any, old: Any, new: Any, count: int = -1) -> str:
        text, old, new = self.text(value), self.text(old), self.text(new)
        if not old:
            raise TemplateInvalid("replace needs a text to look for.")
        found = text.count(old)
        if _integer(count) >= 0:
            found = min(found, count)
        self.meter.spend(len(text) + found * len(new))
        return text.replace(old, new, found)

    def truncate(
        self, value: Any, length: int = 255, killwords: bool = False, end: str = "…"
    ) -> str:
        text, end = self.text(value), self.text(end)
        if len(text) <= _integer(length):
            return text
        kept = text[: max(0, length - len(end))]
        if not killwords:
            kept = kept.rsplit(" ", 1)[0]
        return kept + end

    def join(self, value: Any, d: str = "") -> str:
        parts = [self.text(item) for item in self._list(value)]
        separator = self.text(d)
        self.meter.spend(sum(map(len, parts)) + len(separator) * len(parts))
        return separator.join(parts)

    def length(self, value: Any) -> int:
        self.meter.spend(0)
        if isinstance(value, str | list | dict):
            return len(value)
        raise _wrong("text, list or object", value)

    def first(self, value: Any) -> Any:
        return self._end_of(value, 0)

    def last(self, value: Any) -> Any:
        return self._end_of(value, -1)

    def reverse(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)[::-1]
        return self._list(value)[::-1]

    def sort(self, value: Any, reverse: bool = False) -> list[Any]:
        items = self._list(value)
        self.meter.spend(16 * len(items))
        try:
            return sorted(items, reverse=bool(reverse))
        except TypeError:
            raise TemplateInvalid("sort needs values of one kind.") from None

    def unique(self, value: Any) -> list[Any]:
        seen: dict[str, Any] = {}
        for item in self._list(value):
            seen.setdefault(self.text(item), item)
        return list(seen.values())

    def items(self, value: Any) -> list[list[Any]]:
        if not isinstance(value, dict):
            raise _wrong("object", value)
        self.meter.spend(16 * len(value))
        return [[key, item] for key, item in dict.items(value)]

    def tojson(self, value: Any, indent: Any = None) -> str:
        options = orjson.OPT_INDENT_2 if indent else 0
        text = orjson.dumps(value, option=options).decode()
        self.meter.spend(len(text))
        return text

    def abs(self, value: Any) -> int | float:
        return abs(_number(value))

    def rounded(
        self, value: Any, precision: int = 0, method: str = "common"
    ) -> int | float:
        if method != "common":
            raise TemplateInvalid("round knows the method 'common' only.")
        if not -15 <= _integer(precision) <= 15:
            raise TemplateInvalid("round takes a precision from -15 to 15.")
        return round(_number(value), precision)

    def to_int(self, value: Any, default: int = 0) -> int:
        try:
            return _in_range(int(_short(value)))
        except (ValueError, OverflowError):
            return _integer(default)

    def to_float(self, value: Any, default: float = 0.0) -> float:
        try:
            number = float(_short(value))
        except ValueError:
            return float(_number(default))
        return number if abs(number) < 1e308 else float(_number(default))

    def range(self, *bounds: Any) -> list[int]:
        if len(bounds) == 3 and bounds[2] == 0:
            raise TemplateInvalid("A range cannot step by zero.")
        numbers = range(*(_integer(bound) for bound in bounds))
        if len(numbers) > MAX_RANGE:
            message = f"A range has {MAX_RANGE} numbers at most."
            raise TemplateTooExpensive(message)
        return list(numbers)

    def missing(self, name: str) -> Any:
        raise TemplateVariableMissing([readable(name)])

    def text(self, value: Any) -> str:
        text = as_text(value)
        self.meter.spend(len(text))
        return text

    def _list(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            value = list(dict.keys(value))
        if not isinstance(value, list):
            raise _wrong("list", value)
        self.meter.spend(len(value))
        return value

    def _end_of(self, value: Any, index: int) -> Any:
        if not isinstance(value, str | list):
            raise _wrong("text or list", value)
        if not value:
            raise TemplateInvalid("first and last need something that is not empty.")
        self.meter.spend(len(value) if isinstance(value, str) else 0)
        return value[index]


def readable(code: str) -> str:
    """Return canonical path code as an author writes it: `a["b"]` is `a.b`."""
    return _SUBSCRIPT.sub(r".\1", code)


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _wrong("number", value)


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong("whole number", value)


def _in_range(number: int) -> int:
    if number.bit_length() > 63:
        raise OverflowError
    return number


def _short(value: Any) -> str | int | float:
    # Python refuses to read more than 4,300 digits, by an exception of its own.
    if isinstance(value, str):
        return value[:_MAX_NUMBER_TEXT]
    return _number(value)


def _wrong(wanted: str, value: Any) -> TemplateInvalid:
    found = _KINDS.get(type(value), "something else")
    return TemplateInvalid(f"A filter needs {wanted}, and got {found}.")
