"""Read one tag's expression: only what prompts may use, rewritten canonically.

The engine never sees the author's text: it gets what this parser understood, so the
two cannot disagree about what a template does.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from prompts.template.errors import (
    TemplateForbidden,
    TemplateSyntax,
    TemplateTooExpensive,
)
from prompts.template.lexer import Token, position
from prompts.template.operands import Facts, Operand, Step
from prompts.template.vocabulary import (
    CONSTANTS,
    FILTERS,
    GUARD_FILTERS,
    GUARD_TESTS,
    KEYWORDS,
    LOOP_NAMES,
    RESERVED,
    TESTS,
)

# minijinja builds and drops its tree by recursion and takes the whole process down
# on a chain of some thousand links (measured: 5,000 filters in a row).
MAX_LINKS = 100
MAX_DEPTH = 20
_MAX_DIGITS = 18
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_ESCAPES = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Expression:
    """A cursor over one tag's tokens."""

    def __init__(self, facts: Facts, tokens: Sequence[Token]) -> None:
        self.facts = facts
        self.tokens = tokens
        self.index = 0
        self.links = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def at(self, *texts: str) -> bool:
        """Say whether the next token is one of these operators or keywords."""
        return self.token.kind in ("op", "name") and self.token.text in texts

    def take(self, *texts: str) -> bool:
        """Step over the next token if it is one of these."""
        found = self.at(*texts)
        self.index += found
        return found

    def expect(self, text: str) -> None:
        """Step over this token, or fail."""
        if not self.take(text):
            self.unexpected(f"expected {text!r}")

    def end(self) -> None:
        """Make sure that nothing is left in the tag."""
        if self.token.kind == "end":
            return
        if self.at("(", "*", "**", "+", "-", "/", "//", "%", "~", "."):
            self.forbid(f"{self.token.text!r} is not allowed here.")
        self.unexpected()

    def expression(self) -> str:
        """Read a whole expression: a choice, a condition or an operand."""
        value = self._or()
        if not self.take("if"):
            return value
        self._deeper()
        condition = self._or()
        self.expect("else")
        otherwise = self.expression()
        self.depth -= 1
        return f"({value} if {condition} else {otherwise})"

    def operand(self) -> Operand:
        """Read a path or literal with its filters."""
        operand = self._primary()
        if self.at("(") and operand.path is not None:
            self.forbid("Calls are not allowed.")
        while self.take("|"):
            operand = self._filter(operand)
        return operand

    def name(self) -> str:
        """Read a name that the author may bind or use."""
        token = self.token
        if token.kind != "name" or token.text in KEYWORDS:
            self.unexpected("expected a name")
        if token.text.startswith("_") or token.text in RESERVED:
            self.forbid(f"The name {token.text!r} is reserved.")
        self.index += 1
        return token.text

    def _or(self) -> str:
        return self._joined("or", self._and)

    def _and(self) -> str:
        return self._joined("and", self._not)

    def _joined(self, word: str, part: Callable[[], str]) -> str:
        parts = [part()]
        while self.take(word):
            self._link()
            parts.append(part())
        return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"

    def _not(self) -> str:
        negated = False
        while self.take("not"):
            self._link()
            negated = not negated
        value = self._comparison()
        return f"(not {value})" if negated else value

    def _comparison(self) -> str:
        left = self.operand()
        if self.take("is"):
            return self._test(left)
        if self.token.kind == "op" and self.token.text in _COMPARISONS:
            operator = self.token.text
            self.index += 1
            return self._compare(left, operator, self.operand())
        if self.at("in", "not"):
            operator = "in" if self.take("in") else self._not_in()
            right = self._list() if self.at("[") else self.operand()
            return self._compare(left, operator, right)
        self._no_arithmetic()
        return left.code

    def _not_in(self) -> str:
        self.expect("not")
        self.expect("in")
        return "not in"

    def _compare(self, left: Operand, operator: str, right: Operand) -> str:
        self._link()
        self._no_arithmetic()
        scans = operator.endswith("in") and right.path is not None
        if scans or (left.path is not None and right.path is not None):
            self.facts.compared.update(o.path for o in (left, right) if o.path)
        return f"({left.strict} {operator} {right.strict})"

    def _test(self, left: Operand) -> str:
        word = "is not" if self.take("not") else "is"
        test = self.token.text
        if self.token.kind != "name":
            self.unexpected("expected a test")
        if test not in TESTS:
            self.forbid(f"The test {test!r} is not allowed.")
        self.index += 1
        if test in GUARD_TESTS:
            self._guard(left)
            return f"({left.code} {word} {test})"
        return f"({left.strict} {word} {test})"

    def _guard(self, operand: Operand) -> None:
        if operand.path is not None and len(operand.path) == 1:
            self.facts.optional.add(str(operand.path[0]))

    def _filter(self, operand: Operand) -> Operand:
        self._link()
        token = self.token
        if token.kind != "name":
            self.unexpected("expected a filter")
        if token.text not in FILTERS:
            self.forbid(f"The filter {token.text!r} is not allowed.")
        self.index += 1
        arguments = self._arguments(token.text) if self.take("(") else ""
        guards = token.text in GUARD_FILTERS
        if guards:
            self._guard(operand)
        code = operand.code if guards else operand.strict
        return Operand(f"{code}|{token.text}({arguments})", operand.path, True)

    def _arguments(self, filter_name: str) -> str:
        allowed = FILTERS[filter_name]
        given: list[str] = []
        while not self.take(")"):
            if given:
                self.expect(",")
            if len(given) >= len(allowed):
                self.forbid(f"{filter_name} takes {len(allowed)} arguments at most.")
            given.append(self._argument(allowed))
        return ", ".join(given)

    def _argument(self, allowed: Sequence[str]) -> str:
        keyword = ""
        if self.token.kind == "name" and self.tokens[self.index + 1].text == "=":
            if self.token.text not in allowed:
                self.unexpected("unknown argument")
            keyword = f"{self.token.text}="
            self.index += 2
        return keyword + self._primary().strict

    def _primary(self) -> Operand:
        token = self.token
        if token.kind == "name" and token.text in CONSTANTS:
            self.index += 1
            return Operand(CONSTANTS[token.text])
        if token.kind == "name":
            return self._path()
        if token.kind == "string":
            return Operand(json.dumps(self._string(), ensure_ascii=False))
        if token.kind in ("int", "float") or self.at("-"):
            return Operand(self._number())
        if self.take("("):
            return self._parenthesis()
        if self.at("[", "{"):
            self.forbid("Lists are allowed after `in` only.")
        return self.unexpected("expected a variable or a value")

    def _parenthesis(self) -> Operand:
        self._deeper()
        code = self.expression()
        self.expect(")")
        self.depth -= 1
        if self.at(".", "["):
            self.forbid("Only a variable has parts.")
        return Operand(f"({code})")

    def _path(self) -> Operand:
        root = self._root()
        binding = self.facts.binding(root)
        code, steps = root, (root,) if binding is None else binding
        while self.at(".", "["):
            self._link()
            text, step = self._attribute() if self.take(".") else self._subscript()
            code, steps = code + text, (*steps, step)
        if root == "loop" and code not in LOOP_NAMES:
            self.forbid(f"{code!r} is not allowed.")
        return Operand(code, None if root == "loop" else steps)

    def _root(self) -> str:
        if self.at("loop") and self.facts.scopes:
            self.index += 1
            return "loop"
        root = self.name()
        if self.facts.binding(root) is None:
            self.facts.variables.add(root)
        return root

    def _attribute(self) -> tuple[str, Step]:
        token = self.token
        if token.kind == "int":
            return f"[{self._digits()}]", int(token.text)
        if token.kind != "name":
            self.unexpected("expected a name")
        if token.text.startswith("_"):
            self.forbid(f"The name {token.text!r} is reserved.")
        self.index += 1
        return f"[{json.dumps(token.text)}]", token.text

    def _subscript(self) -> tuple[str, Step]:
        self.expect("[")
        self._deeper()
        token, step = self.token, None
        if token.kind == "string":
            step = self._string()
            code = json.dumps(step, ensure_ascii=False)
        elif token.kind == "int" or self.at("-"):
            code = self._number()
        else:
            code = self._path().strict
        self.expect("]")
        self.depth -= 1
        return f"[{code}]", step

    def _list(self) -> Operand:
        self.expect("[")
        items: list[str] = []
        while not self.take("]"):
            if items:
                self.expect(",")
            item = self._primary()
            if item.path is not None:
                self.forbid("A list holds plain values only.")
            items.append(item.code)
        return Operand(f"[{', '.join(items)}]")

    def _number(self) -> str:
        sign = "-" if self.take("-") else ""
        if self.token.kind not in ("int", "float"):
            self.unexpected("expected a number")
        return sign + self._digits()

    def _digits(self) -> str:
        text = self.token.text
        if len(text) > _MAX_DIGITS or not text.replace(".", "").isdigit():
            self.unexpected("this number is out of range")
        self.index += 1
        # An octal-looking 007 is 7; a float keeps its digits as they are.
        return text if "." in text else str(int(text))

    def _string(self) -> str:
        token = self.token
        self.index += 1
        value = _ESCAPES.sub(lambda found: self._unescape(found[1]), token.text[1:-1])
        if "__" in value and self.tokens[self.index - 2].text == "[":
            self.index -= 1
            self.forbid(f"The name {value!r} is not allowed: double underscore.")
        self.facts.longest_literal = max(self.facts.longest_literal, len(value))
        return value

    def _unescape(self, escape: str) -> str:
        if len(escape) == 1:
            return _PLAIN_ESCAPES.get(escape, escape)
        if 0xD800 <= int(escape[1:], 16) < 0xE000:
            self.index -= 1
            self.unexpected("half a character")
        return chr(int(escape[1:], 16))

    def _no_arithmetic(self) -> None:
        if self.at("*", "**"):
            self.fail(TemplateTooExpensive, "Multiplication is not allowed.")
        if self.at("+", "-", "/", "//", "%", "~"):
            self.forbid(f"The operator {self.token.text!r} is not allowed.")

    def _link(self) -> None:
        self.links += 1
        if self.links > MAX_LINKS:
            self.fail(TemplateTooExpensive, "This expression is too long.")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(TemplateTooExpensive, "This expression is nested too deeply.")

    def unexpected(self, hint: str = "") -> NoReturn:
        """Fail at the next token as not understood."""
        found = self.token.text[:30]
        message = f"Unexpected {found!r}" if found else "The tag ends too early"
        self.fail(TemplateSyntax, f"{message}: {hint}." if hint else f"{message}.")

    def forbid(self, message: str) -> NoReturn:
        """Fail at the next token as not allowed."""
        self.fail(TemplateForbidden, message)

    def fail(
        self,
        error: type[TemplateForbidden | TemplateSyntax | TemplateTooExpensive],
        message: str,
    ) -> NoReturn:
        """Raise an error that names this place."""
        raise error(message, **position(self.facts.source, self.token.offset))
