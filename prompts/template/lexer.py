"""Cut a template's source into text and tags, and a tag into tokens.

Whitespace marks (`{{-`, `-%}`) and comments are dealt with here, so the parser sees
plain text and tags only.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, NoReturn

from prompts.template.errors import TemplateForbidden, TemplateSyntax

TokenKind = Literal["name", "int", "float", "string", "op", "end"]

_OPEN = re.compile(r"\{[{%#][-+]?")
_SPACE = re.compile(r"[ \t\r\n]+")
_CLOSE = {
    "{{": re.compile(r"[-+]?\}\}"),
    "{%": re.compile(r"[-+]?%\}"),
    "{#": re.compile(r"[-+]?#\}"),
}
_END_RAW = re.compile(r"\{%([-+]?)\s*endraw\s*[-+]?%\}")
_TOKEN = re.compile(
    r"""
    (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<float>[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))
  | (?P<int>[0-9]+)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<op>\*\*|//|==|!=|<=|>=|[-+*/%~<>=|()\[\]{},.:])
    """,
    re.VERBOSE | re.DOTALL,
)
_INDEX = re.compile(r"(?P<int>[0-9]+)")


class Token(NamedTuple):
    """One token of a tag; offset counts characters from the source's start."""

    kind: TokenKind
    text: str
    offset: int


class Text(NamedTuple):
    """Literal text between tags, whitespace marks already applied."""

    text: str


class Tag(NamedTuple):
    """One `{{ … }}` or `{% … %}`; tokens close with one of kind "end"."""

    opening: str
    tokens: tuple[Token, ...]


def position(source: str, offset: int) -> dict[str, int]:
    """Return line and column of an offset, both counted from 1."""
    line_start = source.rfind("\n", 0, offset) + 1
    return {
        "line": source.count("\n", 0, offset) + 1,
        "column": offset - line_start + 1,
    }


def segments(source: str) -> Iterator[Text | Tag]:
    """Give the source's texts and tags in order."""
    return _Lexer(source).segments()


class _Lexer:
    """One pass over a source; `at` is the offset of the next character."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.trim_next = False

    def segments(self) -> Iterator[Text | Tag]:
        while opening := _OPEN.search(self.source, self.at):
            yield from self._text(opening.start(), trim=opening[0].endswith("-"))
            self.at = opening.end()
            yield from self._after(opening[0][:2], opening.start())
        yield from self._text(len(self.source), trim=False)

    def _text(self, end: int, *, trim: bool) -> Iterator[Text]:
        text = self.source[self.at : end]
        if self.trim_next:
            text = text.lstrip()
        if trim:
            text = text.rstrip()
        self.trim_next = False
        if text:
            yield Text(text)

    def _after(self, opening: str, start: int) -> Iterator[Text | Tag]:
        if opening == "{#":
            self._skip_comment(start)
            return
        tokens = tuple(self._tokens(opening, start))
        if opening == "{%" and [token.text for token in tokens] == ["raw", ""]:
            yield from self._raw(start)
        else:
            yield Tag(opening, tokens)

    def _skip_comment(self, start: int) -> None:
        close = _CLOSE["{#"].search(self.source, self.at)
        if close is None:
            self._fail("This comment is not closed.", start)
        self._closed(close)

    def _raw(self, start: int) -> Iterator[Text]:
        end = _END_RAW.search(self.source, self.at)
        if end is None:
            self._fail("This raw block is not closed.", start)
        yield from self._text(end.start(), trim=end[1] == "-")
        self._closed(end)

    def _tokens(self, opening: str, start: int) -> Iterator[Token]:
        after_dot = False
        while True:
            self._skip_space()
            if self.at >= len(self.source):
                self._fail(f"This {opening} is not closed.", start)
            if close := _CLOSE[opening].match(self.source, self.at):
                yield Token("end", "", self.at)
                self._closed(close)
                return
            token = self._token(after_dot=after_dot)
            yield token
            after_dot = token.text == "." and token.kind == "op"

    def _token(self, *, after_dot: bool) -> Token:
        # After a dot, `0.1` is two steps of a path and no number.
        match = _INDEX.match(self.source, self.at) if after_dot else None
        match = match or _TOKEN.match(self.source, self.at)
        if match is None:
            self._fail(f"Unexpected {self.source[self.at]!r}.", self.at)
        start, self.at = self.at, match.end()
        kind = _kind(match)
        if kind == "name" and "__" in match[0]:
            message = f"The name {match[0]!r} is not allowed: double underscore."
            raise TemplateForbidden(message, **position(self.source, start))
        return Token(kind, match[0], start)

    def _skip_space(self) -> None:
        if space := _SPACE.match(self.source, self.at):
            self.at = space.end()

    def _closed(self, close: re.Match[str]) -> None:
        self.at = close.end()
        self.trim_next = close[0].lstrip("{").rstrip("%#}").endswith("-")

    def _fail(self, message: str, offset: int) -> NoReturn:
        raise TemplateSyntax(message, **position(self.source, offset))


def _kind(match: re.Match[str]) -> TokenKind:
    kinds: dict[str, TokenKind] = {
        "name": "name",
        "int": "int",
        "float": "float",
        "string": "string",
        "op": "op",
    }
    return kinds[match.lastgroup or "op"]
