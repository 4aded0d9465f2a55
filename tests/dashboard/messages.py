"""Every text that asks for a translation, found without gettext's own tools."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.utils.translation.template import templatize

_PLAIN = {"_", "gettext", "gettext_lazy", "gettext_noop"}
_PLURAL = {"ngettext", "ngettext_lazy"}
_CONTEXT = {"pgettext", "pgettext_lazy"}
_CALL = re.compile(r"\b(n?p?gettext|_)\(")


class Message(NamedTuple):
    """A text; plural is empty where there is one form, context mostly."""

    text: str
    plural: str = ""
    context: str = ""

    @property
    def keys(self) -> list[object]:
        """Return the keys that a French catalogue needs."""
        name = f"{self.context}\x04{self.text}" if self.context else self.text
        return [(name, 0), (name, 1)] if self.plural else [name]


def messages_below(folder: Path) -> dict[Message, set[str]]:
    """Return the messages of a folder's modules and templates, and where they are."""
    found: dict[Message, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        if "/migrations/" in str(path) or path.suffix not in (".py", ".html", ".txt"):
            continue
        for message in _messages_of(path):
            found.setdefault(message, set()).add(str(path))
    return found


def _messages_of(path: Path) -> Iterator[Message]:
    source = path.read_text()
    if path.suffix == ".py":
        yield from _in_python(source)
    elif "{%" in source:
        yield from _in_template(source, str(path))


def _in_python(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if message := _called(name, [_constant(part) for part in node.args]):
                yield message


def _called(name: str, parts: list[str | None]) -> Message | None:
    match name, parts:
        case name, [str(text), *_] if name in _PLAIN:
            return Message(text) if text else None
        case name, [str(text), str(plural), *_] if name in _PLURAL:
            return Message(text, plural)
        case name, [str(context), str(text), *_] if name in _CONTEXT:
            return Message(text, context=context)
        case _:
            return None


def _constant(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _in_template(source: str, name: str) -> Iterator[Message]:
    # Django turns a template into something like Python, for xgettext to read.
    code = templatize(source, origin=name)
    for call in _CALL.finditer(code):
        end = _end_of_call(code, call.end())
        try:
            node = ast.parse(code[call.start() : end].strip(), mode="eval").body
        except SyntaxError:
            continue
        if isinstance(node, ast.Call):
            parts = [_constant(part) for part in node.args]
            if message := _called(call.group(1), parts):
                yield message


def _end_of_call(code: str, start: int) -> int:
    depth, quote = 1, ""
    for place in range(start, len(code)):
        letter = code[place]
        if quote:
            if letter == quote and code[place - 1] != "\\":
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if not depth:
                return place + 1
    return len(code)
