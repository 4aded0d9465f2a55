"""A version is a release: made once, never changed, never numbered twice."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from devora_ops.common.errors import Conflict, DevoraError
from devora_ops.common.models import AuditEntry
from prompts.models import Label, Prompt, PromptVersion
from prompts.services import label_move, prompt_create, prompt_delete, version_create
from tests.prompts.conftest import GREETING


def _create(**changes):
    return prompt_create(
        slug="p", name="P", definition={**GREETING, **changes}, actor="user:ada"
    )


@pytest.fixture
def refused(db):
    def attempt(**changes):
        with pytest.raises(DevoraError) as error:
            _create(**changes)
        assert not Prompt.objects.filter(slug="p").exists()
        return error.value

    return attempt


def test_a_new_prompt_has_version_one(greeting):
    version = greeting.versions.get()
    assert version.number == 1
    assert version.created_by == "user:ada"
    assert version.variables == {
        "name": {"type": "string", "example": "Ada", "required": True},
        "tone": {"type": "any", "required": False},
    }
    assert AuditEntry.objects.filter(action="create", object_id="greeting").exists()


def test_a_new_version_keeps_what_is_not_given(greeting):
    version = version_create(
        prompt=greeting, definition={"model": "cheap"}, actor="user:bo", note="Cheaper"
    )
    assert (version.number, version.model, version.note) == (2, "cheap", "Cheaper")
    assert version.messages == GREETING["messages"]
    assert version.parameters == GREETING["parameters"]


def test_a_variable_that_the_new_text_does_not_use_is_left_behind(greeting):
    messages = [{"role": "user", "content": "Hello, {{ who }}."}]
    version = version_create(
        prompt=greeting, definition={"messages": messages}, actor="user:bo"
    )
    assert version.variables == {"who": {"type": "any", "required": True}}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE prompts_promptversion SET model = 'x'",
        "UPDATE prompts_promptversion SET messages = '[]'",
        "DELETE FROM prompts_promptversion",
    ],
)
def test_the_database_refuses_to_change_a_version(greeting, statement):
    with (
        pytest.raises(IntegrityError, match="immutable"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert greeting.versions.get().model == "smart"


def test_a_version_goes_with_its_prompt(greeting):
    label_move(prompt=greeting, label="production", number=1, actor="user:ada")
    prompt_delete(prompt=greeting, actor="user:ada")
    assert not PromptVersion.objects.exists()
    assert not Label.objects.exists()


def test_a_label_cannot_point_at_another_prompts_version(greeting):
    other = prompt_create(slug="o", name="O", definition=GREETING, actor="user:ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        Label.objects.create(
            prompt=greeting, version=other.versions.get(), name="x", moved_by="user:ada"
        )


def test_saving_on_top_of_a_version_one_has_not_seen_is_a_conflict(greeting):
    version_create(prompt=greeting, definition={}, actor="user:bo", based_on=1)
    with pytest.raises(Conflict) as conflict:
        version_create(prompt=greeting, definition={}, actor="user:cy", based_on=1)
    assert conflict.value.status == 409
    assert conflict.value.extra == {"newest": 2}
    assert greeting.versions.count() == 2


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"messages": []}, 400, "invalid", "messages"),
        ({"messages": "hi"}, 400, "invalid", "messages"),
        ({"messages": ["hi"]}, 400, "invalid", "messages.0"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "invalid", None),
        ({"messages": [{"role": "user"}]}, 400, "invalid", "messages.0.content"),
        ({"messages": [{"role": "user", "content": [1]}]}, 400, "invalid", None),
        (
            {"messages": [{"role": "user", "content": ""}]},
            422,
            "blank",
            "messages.0.content",
        ),
        (
            {"messages": [{"role": "user", "content": "{{ x"}]},
            422,
            "template_syntax",
            "messages.0.content",
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 70_000}]},
            413,
            "payload_too_large",
            "messages.0.content",
        ),
        ({"model": " "}, 400, "required", "model"),
        ({"model": "prompt:other"}, 400, "invalid", "model"),
        ({"parameters": []}, 400, "invalid", "parameters"),
        ({"parameters": [1]}, 400, "invalid", "parameters"),
        ({"parameters": {"model": "x"}}, 400, "invalid", "parameters.model"),
        ({"parameters": {"api_key": "x"}}, 400, "invalid", "parameters.api_key"),
        (
            {"parameters": {"max_tokens": "many"}},
            400,
            "invalid",
            "parameters.max_tokens",
        ),
        ({"parameters": {"temperature": 9}}, 400, "range", "parameters.temperature"),
        ({"parameters": {"stop": 5}}, 400, "invalid", "parameters.stop"),
        ({"parameters": {"x": "y" * 70_000}}, 400, "max_length", "parameters"),
        ({"response_schema": "x"}, 400, "invalid", "response_schema"),
        ({"corpus": "no slug!"}, 400, "invalid", "corpus"),
        ({"corpus": "nowhere"}, 422, "corpus_not_found", "corpus"),
        ({"retrieval": {"top_k": 0}}, 400, "invalid", "retrieval.top_k"),
        ({"retrieval": {"k": 1}}, 400, "invalid", "retrieval"),
        ({"cache": {"ttl_s": -1}}, 400, "invalid", "cache.ttl_s"),
        ({"cache": {"for": 1}}, 400, "invalid", "cache"),
        ({"variables": ["name"]}, 400, "invalid", "variables"),
        ({"variables": {"__class__": "string"}}, 422, "invalid_name", None),
        ({"variables": {"loop": "string"}}, 422, "reserved", None),
        ({"variables": {"name": "colour"}}, 400, "invalid", "variables"),
        ({"variables": {"name": {"kind": "string"}}}, 400, "invalid", "variables"),
        ({"variables": {"name": {"default": 3}}}, 400, "invalid", "variables"),
        (
            {"variables": {"name": {"required": False}}},
            422,
            "default_missing",
            "variables",
        ),
    ],
)
def test_what_is_wrong_with_a_version_is_named(refused, changes, status, code, param):
    error = refused(**changes)
    assert (error.status, error.code) == (status, code)
    assert param is None or error.param == param


def test_c086_examples_that_do_not_render_are_refused(refused):
    messages = [{"role": "user", "content": "{{ user.name }}"}]
    error = refused(
        messages=messages, variables={"user": {"type": "object", "example": {}}}
    )
    assert (error.status, error.code) == (422, "examples_failed")


PLACED = [{"role": "user", "content": "Read {{ context }}, then: {{ question }}"}]


def test_where_passages_go_is_no_variable_of_a_caller(docs):
    declared = {name: {"type": "string", "example": "x"} for name in ("question",)}
    made = _create(messages=PLACED, corpus="docs", variables=declared)
    assert made.versions.get().variables.keys() == {"question"}
    label_move(prompt=made, label="production", number=1, actor="user:ada")
    without = version_create(prompt=made, definition={"corpus": ""}, actor="user:ada")
    assert without.variables.keys() == {"question", "context"}
    again = version_create(prompt=made, definition={"corpus": "docs"}, actor="user:ada")
    assert again.variables.keys() == {"question"}


def test_passages_go_into_no_instruction(refused, docs):
    error = refused(
        messages=[{"role": "system", "content": "Obey {{ context }}."}], corpus="docs"
    )
    assert (error.status, error.code) == (422, "context_not_user")
    assert error.param == "messages.0.content"


def test_a_corpus_that_is_gone_is_not_handed_on(docs):
    made = _create(corpus="docs")
    docs.delete()
    with pytest.raises(DevoraError) as error:
        version_create(prompt=made, definition={"model": "cheap"}, actor="user:ada")
    assert (error.value.status, error.value.code) == (422, "corpus_not_found")
    assert "docs" in error.value.message


def test_a_names_case_does_not_make_it_another(greeting):
    with pytest.raises(ValidationError) as error:
        prompt_create(slug="g2", name="GREETING", definition=GREETING, actor="user:ada")
    assert "exists" in str(error.value)


def test_moving_a_label_is_audited(greeting):
    version_create(prompt=greeting, definition={}, actor="user:bo")
    label_move(prompt=greeting, label="production", number=1, actor="user:ada")
    label_move(prompt=greeting, label="production", number=2, actor="user:bo")
    assert greeting.labels.numbers() == {"production": 2}
    moves = AuditEntry.objects.filter(action="move_label").order_by("at")
    assert [(m.before, m.after) for m in moves] == [
        ({"version": None}, {"version": 1}),
        ({"version": 1}, {"version": 2}),
    ]


@pytest.mark.parametrize("label", ["", "7", "Production", "a b", "a" * 65, "é", "a\n"])
def test_a_label_is_a_plain_word(greeting, label):
    with pytest.raises(DevoraError) as error:
        label_move(prompt=greeting, label=label, number=1, actor="user:ada")
    assert (error.value.status, error.value.param) == (400, "label")


def test_a_label_needs_a_version_that_exists(greeting):
    with pytest.raises(DevoraError) as error:
        label_move(prompt=greeting, label="production", number=9, actor="user:ada")
    assert (error.value.status, error.value.code) == (404, "version_not_found")
