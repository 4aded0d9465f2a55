"""A chat request asks Anthropic's model for the same thing."""

import base64
from typing import Any

import pytest

from devora_ops.common.errors import InvalidRequest
from llm.translation.chat_over_messages import request
from tests.llm.translation.samples import LOOKUP, PNG, call

USER = {"role": "user", "content": "Hi"}
PDF = base64.b64encode(b"%PDF-1.7").decode()


def ask(*messages: dict[str, Any], model: str = "claude-sonnet-4-5", **fields: Any):
    body = {"messages": list(messages) or [USER], **fields}
    return request(body, model=model, max_tokens=4096)


def content_of(*parts: Any) -> list[dict[str, Any]]:
    return ask({"role": "user", "content": list(parts)})["messages"][0]["content"]


def refusal_of(*messages: dict[str, Any], **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        ask(*messages, **fields)
    return caught.value


def test_instructions_become_the_system_wherever_they_stand():
    asked = ask(
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
    )

    assert [block["text"] for block in asked["system"]] == ["Be brief.", "In French."]
    assert asked["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    ]


def test_instructions_alone_are_said_by_the_user():
    asked = ask({"role": "system", "content": "Say hello."})

    assert "system" not in asked
    assert asked["messages"][0]["content"][0]["text"] == "Say hello."


def test_a_chat_that_the_assistant_begins_gets_an_opening():
    turns = ask({"role": "assistant", "content": "Welcome!"}, USER)["messages"]

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]


def test_the_assistants_last_words_do_not_end_in_white_space():
    turns = ask(USER, {"role": "assistant", "content": "{ \n"})["messages"]

    assert turns[-1]["content"] == [{"type": "text", "text": "{"}]


@pytest.mark.parametrize("content", ["", "  \n", [], None])
def test_messages_that_say_nothing_are_refused(content):
    assert refusal_of({"role": "user", "content": content}).param == "messages"


def test_parallel_results_share_a_turn_before_what_the_user_says():
    calls = [call("call_1", "lookup", {"id": 1}), call("call_2", "lookup", {})]
    calls[1]["function"]["arguments"] = ""

    turns = ask(
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "user", "content": "Hurry"},
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    )["messages"]

    assert [block["input"] for block in turns[1]["content"]] == [{"id": 1}, {}]
    assert turns[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": [{"type": "text", "text": "one"}],
        },
        {"type": "tool_result", "tool_use_id": "call_2"},
        {"type": "text", "text": "Hurry"},
    ]


def test_arguments_that_are_no_object_are_kept_as_text():
    broken = call("call_1", "lookup", {})
    broken["function"]["arguments"] = '{"id": '

    turns = ask(USER, {"role": "assistant", "tool_calls": [broken]})["messages"]

    assert turns[1]["content"][0]["input"] == {"arguments": '{"id": '}


def test_an_id_that_messages_refuse_is_the_same_for_call_and_result():
    turns = ask(
        USER,
        {"role": "assistant", "tool_calls": [call("lookup:0", "lookup", {})]},
        {"role": "tool", "tool_call_id": "lookup:0", "content": "one"},
    )["messages"]

    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"]
    assert turns[1]["content"][0]["id"] == "lookup_0"


def test_pictures_and_files_become_blocks():
    link = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    data = {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}
    file = {
        "type": "file",
        "file": {
            "file_data": f"data:application/pdf;base64,{PDF}",
            "filename": "a.pdf",
        },
    }
    text = base64.b64encode("Grüße".encode()).decode()
    note = {"type": "file", "file": {"file_data": f"data:text/plain;base64,{text}"}}

    image, inline, document, plain = content_of(link, data, file, note)

    assert image["source"] == {"type": "url", "url": "https://x.example/a.png"}
    assert inline["source"] == {
        "type": "base64",
        "media_type": "image/png",
        "data": "iVBORw0KGgo=",
    }
    assert document == {
        "type": "document",
        "title": "a.pdf",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
    }
    assert plain["source"]["data"] == "Grüße"


def test_a_mark_for_the_cache_stays_where_it_was():
    mark = {"type": "ephemeral", "ttl": "1h"}
    tool = {**LOOKUP, "cache_control": mark}

    asked = ask(
        {
            "role": "system",
            "content": [{"type": "text", "text": "Long", "cache_control": mark}],
        },
        {"role": "user", "content": "Hi", "cache_control": mark},
        tools=[tool],
    )

    assert asked["system"][0]["cache_control"] == mark
    assert asked["messages"][0]["content"][0]["cache_control"] == mark
    assert asked["tools"][0]["cache_control"] == mark


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}},
        {"type": "hologram"},
    ],
)
def test_content_that_the_model_cannot_take_is_refused(part):
    refusal = refusal_of(USER, {"role": "user", "content": [part]})

    assert refusal.code == "unsupported_parameter"
    assert refusal.param == "messages[1].content[0]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"50256": -100}),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {"search_context_size": "low"}),
        ("functions", [{"name": "f"}]),
        ("function_call", "auto"),
        ("response_format", {"type": "grammar"}),
    ],
)
def test_what_would_change_the_answer_is_refused(name, value):
    refusal = refusal_of(**{name: value})

    assert (refusal.code, refusal.param) == ("unsupported_parameter", name)
    assert refusal.message.endswith(".")


def test_what_only_steers_is_left_out():
    hints = {
        "n": 1,
        "logprobs": False,
        "logit_bias": {},
        "modalities": ["text"],
        "seed": 1,
        "frequency_penalty": 1,
        "presence_penalty": 1,
        "store": True,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "stream_options": {"include_usage": True},
        "stream": False,
        "stop": None,
        "anything_else": 1,
    }

    assert set(ask(**hints)) == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize("role", ["function", "narrator", None])
def test_an_unknown_role_is_refused(role):
    assert refusal_of({"role": role, "content": "x"}).param == "messages[0]"
