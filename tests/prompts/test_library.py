"""The built-in prompts work as they come."""

import pytest

from prompts.definition import checked
from prompts.library import built_ins
from prompts.models import Prompt
from prompts.rendering import render_messages
from prompts.services import library_install
from prompts.variables import examples

BUILT_IN = [pytest.param(built_in, id=built_in.slug) for built_in in built_ins()]


@pytest.mark.parametrize("built_in", BUILT_IN)
def test_a_built_in_prompt_renders_with_its_own_examples(built_in):
    definition = checked(built_in.definition)
    values = examples(definition.variables)
    assert values is not None, "an example is missing"
    texts = [m["content"] for m in render_messages(definition.messages, values)]
    assert all(text.strip() for text in texts)
    assert "None" not in " ".join(texts)


@pytest.mark.parametrize("built_in", BUILT_IN)
def test_a_built_in_prompt_declares_what_it_uses(built_in):
    definition = checked(built_in.definition)
    assert definition.variables.keys() == built_in.definition["variables"].keys()


def test_they_are_installed_once_and_served(db):
    assert {p.slug for p in library_install()} == {b.slug for b in built_ins()}
    assert library_install() == []
    for prompt in Prompt.objects.all():
        assert prompt.labels.numbers() == {"production": 1}


def test_a_prompt_of_the_same_slug_is_left_alone(db):
    library_install()
    before = Prompt.objects.get(slug="code-review")
    before.name = "Our review"
    before.save()
    library_install()
    assert Prompt.objects.get(slug="code-review").name == "Our review"
