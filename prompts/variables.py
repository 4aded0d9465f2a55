"""A version's typed variables: declared once, filled in for every call."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from devora_ops.common.errors import InvalidRequest, Unprocessable
from prompts.rendering import TemplateInfo, TemplateVariableMissing, check_name

MAX_VARIABLES: Final = 100
PASSAGES: Final = "context"
"""What a text calls the retrieved passages, in a version that names a corpus."""
_KEYS = frozenset({"type", "required", "default", "example", "description"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "any": lambda value: True,
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def normalised(declared: Any) -> dict[str, dict[str, Any]]:
    """Return declarations in full: name → {type, required, default?, example?, …}.

    A declaration may be the name of a type alone. A variable is required unless it
    says otherwise or has a default.
    """
    if not isinstance(declared, dict):
        raise _invalid("An object of names and declarations is needed.")
    if len(declared) > MAX_VARIABLES:
        raise _invalid(f"At most {MAX_VARIABLES} variables.")
    return {check_name(name): _declaration(name, d) for name, d in declared.items()}


def completed(
    declared: Mapping[str, dict[str, Any]], info: TemplateInfo
) -> dict[str, dict[str, Any]]:
    """Add the variables that the texts use without a declaration, as of any type.

    Raises Unprocessable when a text needs a variable that calls may leave out.
    """
    found = {
        name: {"type": "any", "required": name not in info.optional}
        for name in info.variables
        if name not in declared
    }
    for name in sorted(info.needed & declared.keys()):
        if not declared[name]["required"] and "default" not in declared[name]:
            message = f"{name!r} is optional: give it a default, in the text or here."
            raise Unprocessable(message, code="default_missing", param="variables")
    return {**declared, **found}


def fill(declared: Mapping[str, Any], supplied: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a render gets: supplied values checked, defaults for the others.

    A supplied variable that nobody declared is left out, so that a caller's fields
    outlive the version that used them.
    """
    for name in supplied:
        check_name(name)
    absent = [n for n, d in declared.items() if d["required"] and n not in supplied]
    if absent:
        raise TemplateVariableMissing(absent)
    values = {n: d["default"] for n, d in declared.items() if "default" in d}
    for name in declared.keys() & supplied.keys():
        _check_type(name, declared[name]["type"], supplied[name])
        values[name] = supplied[name]
    return values


def examples(declared: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one example of each variable, or None when a required one has none."""
    values = {
        name: declaration.get("example", declaration.get("default"))
        for name, declaration in declared.items()
        if "example" in declaration or "default" in declaration
    }
    needed = {name for name, declaration in declared.items() if declaration["required"]}
    return None if needed - values.keys() else values


def without_texts(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return declarations without what a prompt would say in a variable's place."""
    texts = ("default", "example")
    return {
        name: {key: value for key, value in declaration.items() if key not in texts}
        for name, declaration in declared.items()
    }


def _declaration(name: str, given: Any) -> dict[str, Any]:
    declaration = {"type": given} if isinstance(given, str) else given
    if not isinstance(declaration, dict):
        raise _invalid(f"{name}: a type or an object with a type is needed.")
    if unknown := declaration.keys() - _KEYS:
        raise _invalid(f"{name}: unknown key {sorted(unknown)[0][:40]!r}.")
    kind = declaration.get("type", "string")
    if not isinstance(kind, str) or kind not in TYPES:
        raise _invalid(f"{name}: the type is one of {', '.join(TYPES)}.")
    required = declaration.get("required", "default" not in declaration)
    if not isinstance(required, bool):
        raise _invalid(f"{name}: required is true or false.")
    for key in ("default", "example"):
        if key in declaration and not TYPES[kind](declaration[key]):
            raise _invalid(f"{name}: the {key} is not of type {kind}.")
    # A variable with a default can be left out, whatever `required` says.
    required = required and "default" not in declaration
    return {**declaration, "type": kind, "required": required}


def _check_type(name: str, kind: str, value: Any) -> None:
    if not TYPES[kind](value):
        message = f"The variable {name!r} must be of type {kind}."
        raise Unprocessable(message, code="variable_type", param=f"variables.{name}")


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid", param="variables")
