"""What a template can be refused for.

TemplateError                 422  any refusal of a template or of its values
├── TemplateForbidden         template_forbidden: a construct outside the allowed few
├── TemplateTooExpensive      template_too_expensive: more work or text than allowed
├── TemplateSyntax            template_syntax: with extra.position {line, column}
├── TemplateVariableMissing   template_variable_missing: with extra.names
├── TemplateInvalid           blank, invalid_unicode, invalid_name, reserved, …
└── TemplateTooLarge          413 payload_too_large: the source itself
"""

from collections.abc import Iterable, Mapping
from typing import Any

from devora_ops.common.errors import DevoraError


class TemplateError(DevoraError):
    """A template, or the values for it, cannot be accepted."""

    status = 422
    code = "template_invalid"

    def as_data(self) -> dict[str, Any]:
        """Return the error as JSON, to be given back by `restored`."""
        return {
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "extra": self.extra,
        }


def restored(data: Mapping[str, Any]) -> TemplateError:
    """Return an error that came from another process."""
    return TemplateError(**data)


class _Positioned(TemplateError):
    """An error that happened at a place in the source (both counted from 1)."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        position = {"line": line, "column": column}
        super().__init__(message, extra={"position": position})
        self.line = line
        self.column = column


class TemplateForbidden(_Positioned):
    """A construct that prompts may not use, however harmless it looks."""

    code = "template_forbidden"


class TemplateSyntax(_Positioned):
    """The text is not a template."""

    code = "template_syntax"


class TemplateTooExpensive(_Positioned):
    """Rendering would take more work, or give more text, than is allowed."""

    code = "template_too_expensive"


class TemplateVariableMissing(TemplateError):
    """A variable that the template uses was not supplied."""

    code = "template_variable_missing"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        listed = ", ".join(self.names)
        super().__init__(f"Missing variables: {listed}.", extra={"names": self.names})


class TemplateInvalid(TemplateError):
    """A source or a value that is wrong before any syntax is looked at."""


class TemplateTooLarge(TemplateError):
    """The source is longer than allowed."""

    status = 413
    code = "payload_too_large"
