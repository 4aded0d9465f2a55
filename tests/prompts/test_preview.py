"""Unsaved text is rendered in a child of little means."""

import pytest

from prompts.preview import preview
from prompts.rendering import TemplateError


def _user(text):
    return [{"role": "user", "content": text}]


def test_it_renders_as_production_does():
    assert preview(_user("Hello {{ name }} 🙂"), {"name": "Zoë"}) == [
        {"role": "user", "content": "Hello Zoë 🙂"}
    ]


def test_an_error_comes_back_with_its_place():
    with pytest.raises(TemplateError) as refused:
        preview(_user("Hello {{ name"), {})
    assert refused.value.code == "template_syntax"
    assert refused.value.extra == {"position": {"line": 1, "column": 7}}


def test_a_missing_variable_comes_back_by_name():
    with pytest.raises(TemplateError) as refused:
        preview(_user("Hello {{ name }}"), {})
    assert refused.value.code == "template_variable_missing"
    assert list(refused.value.extra["names"]) == ["name"]


def test_a_bomb_harms_nobody_but_its_child():
    with pytest.raises(TemplateError) as refused:
        preview(_user("{{ x }}{{ x }}"), {"x": "a" * 1_000_000})
    assert refused.value.code == "template_too_expensive"
