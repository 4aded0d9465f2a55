"""The data plane's picture of prompts, and what a version makes of a body."""

import uuid

import psycopg
import pytest

from devora_ops.common.errors import NotFound
from prompts.runtime import (
    PromptSnapshot,
    PromptsSnapshot,
    PromptVersionSnapshot,
    expand_version,
    load,
    parse_reference,
    question,
    resolve,
)
from prompts.services import label_move, prompt_create, version_create
from rag.services import corpus_create
from tests.prompts.conftest import GREETING

ASK = {"role": "user", "content": "Why?"}
BE_KIND = {"role": "system", "content": "Be kind."}


def _version(number=1, **fields):
    return PromptVersionSnapshot(
        prompt="p",
        number=number,
        **{"messages": [BE_KIND], "model": "smart", **fields},
    )


def _snapshot():
    versions = {1: _version(1), 2: _version(2)}
    labels = {"production": 1, "next": 2}
    return PromptsSnapshot({"p": PromptSnapshot("p", versions, labels)})


@pytest.mark.parametrize(
    ("reference", "number"),
    [("p", 1), ("p@production", 1), ("p@next", 2), ("p@2", 2), ("p@1", 1)],
)
def test_a_reference_names_a_version(reference, number):
    assert resolve(_snapshot(), reference).number == number


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        ("q", "prompt_not_found", "'q'"),
        ("", "prompt_not_found", "''"),
        ("p@staging", "label_not_found", "next, production"),
        ("p@", "label_not_found", "next, production"),
        ("p@3", "version_not_found", "newest is 2"),
        ("p@0", "version_not_found", "newest is 2"),
        ("p@99999999999", "label_not_found", "next, production"),
        ("p@²", "label_not_found", "next, production"),
        ("p@next@2", "label_not_found", "next, production"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(reference, code, words):
    with pytest.raises(NotFound) as error:
        resolve(_snapshot(), reference)
    assert (error.value.status, error.value.code) == (404, code)
    assert words in error.value.message
    assert error.value.param == "model"


def test_a_label_is_explicit_only_when_written():
    assert not parse_reference("p").explicit
    assert parse_reference("p@production").explicit


def _expand(version, body, **options):
    return expand_version(version, rendered=version.messages, body=body, **options)


def test_the_callers_messages_follow_the_rendered_ones():
    expanded = _expand(_version(), {"model": "prompt:p", "messages": [ASK]})
    assert expanded == {"model": "smart", "messages": [BE_KIND, ASK]}


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": None}])
def test_messages_may_be_absent(body):
    assert _expand(_version(), body)["messages"] == [BE_KIND]


def test_the_bodys_parameters_win_but_for_model_and_schema():
    schema = {"type": "object", "properties": {}}
    version = _version(
        parameters={"temperature": 0.2, "top_p": 0.5}, response_schema=schema
    )
    expanded = _expand(
        version,
        {
            "model": "prompt:p",
            "temperature": 1,
            "response_format": {"type": "text"},
            "stream": True,
            "x": 1,
        },
    )
    assert expanded["model"] == "smart"
    assert (expanded["temperature"], expanded["top_p"]) == (1, 0.5)
    assert (expanded["stream"], expanded["x"]) == (True, 1)
    assert expanded["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "p", "schema": schema, "strict": True},
    }


def test_without_a_schema_of_the_version_the_bodys_format_stands():
    body = {"response_format": {"type": "json_object"}}
    assert _expand(_version(), body)["response_format"] == {"type": "json_object"}


def test_an_output_limit_of_the_body_replaces_the_versions_by_any_name():
    version = _version(parameters={"max_tokens": 300})
    assert version.max_tokens == 300
    expanded = _expand(version, {"max_completion_tokens": 5})
    assert "max_tokens" not in expanded
    assert expanded["max_completion_tokens"] == 5


def test_context_comes_before_the_last_question_and_is_no_instruction():
    body = {"messages": [ASK, {"role": "assistant", "content": "…"}, ASK]}
    messages = _expand(_version(), body, context="A </context> B")["messages"]
    assert [m["role"] for m in messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "user",
    ]
    assert messages[-1] == ASK
    assert messages[-2]["content"].count("</context>") == 1
    assert messages[-2]["content"].endswith("</context>")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([BE_KIND], ""),
        ([ASK, {"role": "assistant", "content": "x"}], "Why?"),
        ([{"role": "user", "content": [{"type": "text", "text": "How?"}, {}]}], "How?"),
        ([{"role": "user", "content": None}], ""),
    ],
)
def test_the_question_is_the_last_user_message(messages, text):
    assert question(messages) == text


@pytest.fixture
def stored(committed_db):
    """Store a prompt where other connections see it; return its slug."""
    slug = f"greeting-{uuid.uuid4().hex[:8]}"
    corpus_create(slug=slug, name=slug, actor="user:ada")
    prompt = prompt_create(
        slug=slug,
        name=slug,
        definition={**GREETING, "corpus": slug, "retrieval": {"top_k": 3}},
        actor="user:ada",
    )
    version_create(prompt=prompt, definition={"model": "cheap"}, actor="user:ada")
    label_move(prompt=prompt, label="production", number=1, actor="user:ada")
    return slug


async def test_the_picture_holds_what_is_stored(stored, committed_db):
    async with await psycopg.AsyncConnection.connect(
        committed_db, autocommit=True
    ) as db:
        snapshot = await load(db)
    version = resolve(snapshot, stored)
    assert (version.number, version.model, version.corpus) == (1, "smart", stored)
    assert (version.top_k, version.max_tokens) == (3, 300)
    assert version.messages == GREETING["messages"]
    assert resolve(snapshot, f"{stored}@2").model == "cheap"


async def test_every_change_is_announced(stored, committed_db):
    async with await psycopg.AsyncConnection.connect(
        committed_db, autocommit=True
    ) as db:
        await db.execute("LISTEN devora_changed")
        await db.execute("UPDATE prompts_label SET moved_by = 'user:psql'")
        async for notify in db.notifies(timeout=5, stop_after=1):
            assert notify.payload == "prompts_label"
            break
        else:
            pytest.fail("nobody was told")
