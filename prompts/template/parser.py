"""Check a whole template and rewrite it for the engine."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from prompts.template.errors import (
    TemplateInvalid,
    TemplateSyntax,
    TemplateTooExpensive,
    TemplateTooLarge,
)
from prompts.template.expressions import Expression
from prompts.template.lexer import Tag, Text, position, segments
from prompts.template.operands import Facts, Path
from prompts.template.vocabulary import FORBIDDEN_TAGS

MAX_SOURCE_BYTES = 64 * 1024
MAX_RANGE = 1000
_MAX_LOOPS = 2
_MAX_BLOCKS = 20
# The engine recurses over `elif` branches (measured: 1,000 take the process down).
_MAX_BRANCHES = 50


@dataclass(frozen=True, slots=True)
class Parsed:
    """A template that passed the check.

    canonical: what the engine is given; text is there as string expressions, so
    that every character that is emitted passes the meter.
    """

    canonical: str
    static: bool
    variables: tuple[str, ...]
    optional: frozenset[str]
    compared: tuple[Path, ...]
    longest_literal: int


@dataclass(slots=True)
class _Block:
    kind: Literal["if", "for"]
    offset: int
    branches: int = 0
    has_else: bool = False


@dataclass(slots=True)
class _Parser:
    facts: Facts
    output: list[str] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)

    def parse(self) -> None:
        for segment in segments(self.facts.source):
            if isinstance(segment, Text):
                self._emit(json.dumps(segment.text, ensure_ascii=False))
            elif segment.opening == "{{":
                tag = self._expression(segment)
                self._emit(tag.expression())
                tag.end()
            else:
                self._statement(self._expression(segment))
        if self.blocks:
            self._unclosed(self.blocks[-1])

    def _expression(self, tag: Tag) -> Expression:
        return Expression(self.facts, tag.tokens)

    def _emit(self, code: str) -> None:
        # The space keeps an expression that starts or ends with a sign apart
        # from the whitespace marks.
        self.output.append("{{ " + code + " }}")

    def _statement(self, tag: Expression) -> None:
        handlers: dict[str, Callable[[Expression], None]] = {
            "if": self._if,
            "elif": self._elif,
            "else": self._else,
            "endif": self._end,
            "for": self._for,
            "endfor": self._end,
        }
        word = tag.token.text
        if word in FORBIDDEN_TAGS:
            tag.forbid(f"The tag {word!r} is not allowed.")
        if tag.token.kind != "name" or word not in handlers:
            tag.unexpected("there is no such tag" if word else "")
        handlers[word](tag)
        tag.end()

    def _if(self, tag: Expression) -> None:
        self._open(tag, "if")
        self.output.append("{% if " + tag.expression() + " %}")

    def _elif(self, tag: Expression) -> None:
        block = self._inside(tag, "if")
        block.branches += 1
        if block.branches > _MAX_BRANCHES:
            tag.fail(TemplateTooExpensive, f"More than {_MAX_BRANCHES} branches.")
        tag.take("elif")
        self.output.append("{% elif " + tag.expression() + " %}")

    def _else(self, tag: Expression) -> None:
        block = self._inside(tag, "if", "for")
        block.has_else = True
        if block.kind == "for":
            self.facts.scopes[-1] = {}
        tag.take("else")
        self.output.append("{% else %}")

    def _end(self, tag: Expression) -> None:
        kind = tag.token.text.removeprefix("end")
        if not self.blocks or self.blocks[-1].kind != kind:
            tag.unexpected(f"no open {kind!r} here")
        self.blocks.pop()
        if kind == "for":
            self.facts.scopes.pop()
        tag.take(f"end{kind}")
        self.output.append("{% end" + kind + " %}")

    def _for(self, tag: Expression) -> None:
        self._open(tag, "for")
        if sum(block.kind == "for" for block in self.blocks) > _MAX_LOOPS:
            tag.fail(TemplateTooExpensive, "Loops nest two deep at most.")
        names = [tag.name()]
        while tag.take(","):
            names.append(tag.name())
        tag.expect("in")
        code, element = self._range(tag) if tag.at("range") else self._iterable(tag)
        if tag.at("if", "recursive"):
            tag.forbid(f"{tag.token.text!r} is not allowed in a loop's head.")
        self.facts.scopes.append(dict.fromkeys(names, element))
        self.output.append("{% for " + ", ".join(names) + " in " + code + " %}")

    def _iterable(self, tag: Expression) -> tuple[str, Path]:
        operand = tag.operand()
        if operand.path is None:
            tag.forbid("A loop goes over a variable or a range.")
        # Of a filtered list nobody knows the elements: take the whole as measure.
        element = operand.path if operand.guarded else (*operand.path, None)
        return operand.strict, element

    def _range(self, tag: Expression) -> tuple[str, Path]:
        tag.take("range")
        tag.expect("(")
        bounds: list[str] = []
        while not tag.take(")"):
            if bounds:
                tag.expect(",")
            bounds.append(tag.operand().strict)
        if not 1 <= len(bounds) <= 3:
            tag.unexpected("range takes one to three numbers")
        if any(b.lstrip("-").isdigit() and abs(int(b)) > MAX_RANGE for b in bounds):
            tag.fail(TemplateTooExpensive, f"A range counts to {MAX_RANGE} at most.")
        return f"range({', '.join(bounds)})", ()

    def _open(self, tag: Expression, kind: Literal["if", "for"]) -> None:
        if len(self.blocks) >= _MAX_BLOCKS:
            tag.fail(TemplateTooExpensive, f"Blocks nest {_MAX_BLOCKS} deep at most.")
        self.blocks.append(_Block(kind, tag.token.offset))
        tag.take(kind)

    def _inside(self, tag: Expression, *kinds: str) -> _Block:
        if not self.blocks or self.blocks[-1].kind not in kinds:
            tag.unexpected(f"no open {kinds[0]!r} here")
        if self.blocks[-1].has_else:
            tag.unexpected("after else")
        return self.blocks[-1]

    def _unclosed(self, block: _Block) -> None:
        message = f"This {block.kind!r} is not closed."
        raise TemplateSyntax(message, **position(self.facts.source, block.offset))


def parse(source: str) -> Parsed:
    """Check a source and give what the engine may run, or raise a TemplateError."""
    _check_text(source)
    facts = Facts(source)
    parser = _Parser(facts)
    parser.parse()
    return Parsed(
        canonical="".join(parser.output),
        static=not any(mark in source for mark in ("{{", "{%", "{#")),
        variables=tuple(sorted(facts.variables)),
        optional=frozenset(facts.optional),
        compared=tuple(facts.compared),
        longest_literal=facts.longest_literal,
    )


def _check_text(source: str) -> None:
    if len(source) > MAX_SOURCE_BYTES:
        raise TemplateTooLarge(f"A template has {MAX_SOURCE_BYTES} bytes at most.")
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        size = -1
    if size > MAX_SOURCE_BYTES:
        raise TemplateTooLarge(f"A template has {MAX_SOURCE_BYTES} bytes at most.")
    if size < 0 or "\x00" in source:
        message = "The text holds NUL or half a character."
        raise TemplateInvalid(message, code="invalid_unicode")
    if not source.strip():
        raise TemplateInvalid("The template is empty.", code="blank")
