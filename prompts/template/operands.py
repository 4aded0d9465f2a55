"""What the parser knows about the pieces of an expression and about the template."""

import json
from dataclasses import dataclass, field

Step = str | int | None
Path = tuple[Step, ...]
"""A place in the variables: names and numbers; None stands for any element."""


@dataclass(slots=True)
class Facts:
    """What the parser learns about the whole template on its way."""

    source: str
    variables: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)
    compared: set[Path] = field(default_factory=set)
    longest_literal: int = 1
    scopes: list[dict[str, Path]] = field(default_factory=list)

    def binding(self, name: str) -> Path | None:
        """Return what a loop variable stands for, or None for a template variable."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None


@dataclass(frozen=True, slots=True)
class Operand:
    """A piece of an expression: its canonical code, and where its value comes from."""

    code: str
    path: Path | None = None
    guarded: bool = False

    @property
    def strict(self) -> str:
        """The code, complaining by name when the value is missing.

        A filter or a comparison would see None instead of an undefined value.
        """
        if self.path is None or self.guarded:
            return self.code
        return f"({self.code} if {self.code} is defined else _missing({self.name}))"

    @property
    def name(self) -> str:
        """The code as a string literal, for error messages."""
        return json.dumps(self.code, ensure_ascii=False)
