"""Declared variables: what a call must give, may give and may leave out."""

import pytest

from devora_ops.common.errors import DevoraError
from prompts.variables import examples, fill, normalised

DECLARED = normalised(
    {
        "name": "string",
        "count": {"type": "integer", "default": 3},
        "tags": {"type": "list", "required": False},
    }
)


def test_declarations_are_stored_in_full():
    assert DECLARED == {
        "name": {"type": "string", "required": True},
        "count": {"type": "integer", "default": 3, "required": False},
        "tags": {"type": "list", "required": False},
    }


def test_defaults_fill_what_is_not_given():
    assert fill(DECLARED, {"name": "Ada"}) == {"name": "Ada", "count": 3}


def test_what_nobody_declared_is_left_out():
    assert fill(DECLARED, {"name": "Ada", "old": 1}) == {"name": "Ada", "count": 3}


def test_all_missing_variables_are_named_at_once():
    declared = normalised({"a": "string", "b": "string"})
    with pytest.raises(DevoraError) as error:
        fill(declared, {})
    assert error.value.extra["names"] == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("string", "a", 1),
        ("number", 1.5, "1.5"),
        ("number", 2, True),
        ("integer", 2, 2.5),
        ("boolean", False, 0),
        ("list", [], {}),
        ("object", {}, []),
        ("string", "", None),
    ],
)
def test_a_variable_has_its_type(kind, right, wrong):
    declared = normalised({"x": kind})
    assert fill(declared, {"x": right}) == {"x": right}
    with pytest.raises(DevoraError) as error:
        fill(declared, {"x": wrong})
    assert (error.value.status, error.value.code) == (422, "variable_type")
    assert error.value.param == "variables.x"


def test_examples_are_complete_or_none():
    assert examples(DECLARED) is None
    with_example = {**DECLARED, "name": {**DECLARED["name"], "example": "Ada"}}
    assert examples(with_example) == {"name": "Ada", "count": 3}


def test_too_many_variables_are_refused():
    with pytest.raises(DevoraError) as error:
        normalised({f"v{i}": "string" for i in range(101)})
    assert error.value.status == 400
