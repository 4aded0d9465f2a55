"""A messages request asks a chat model for the same thing."""

from typing import Any

import pytest

from devora_ops.common.errors import InvalidRequest
from llm.translation.messages_over_chat import request

USER = {"role": "user", "content": "Hi"}
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
}
LOOKUP = {"name": "lookup", "input_schema": {"type": "object", "properties": {}}}


def ask(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "max_tokens": 50, "messages": list(turns) or [USER]}
    return request({**body, **fields})


def test_plain_fields_are_only_named_otherwise():
    asked = ask(
        system=[{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        temperature=0.5,
        top_k=3,
        stream=True,
    )

    assert asked == {
        "model": "m",
        "max_tokens": 50,
        "messages": [{"role": "system", "content": "A\n\nB"}, USER],
        "stop": ["END"],
        "user": "u-1",
        "temperature": 0.5,
        "stream": True,
    }


def test_the_limit_goes_by_the_name_that_the_server_knows():
    body = {"model": "m", "max_tokens": 50, "messages": [USER]}

    asked = request(body, limit="max_completion_tokens")

    assert (asked["max_completion_tokens"], "max_tokens" in asked) == (50, False)


def test_what_the_assistant_thought_is_dropped_and_what_it_did_kept():
    turn = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "One "},
            {"type": "text", "text": "moment"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"id": 1}},
        ],
    }

    said = ask(USER, turn)["messages"][1]

    assert said["content"] == "One moment"
    assert said["tool_calls"] == [
        {
            "id": "t1",
            "type": "function",
            "function": {"name": "lookup", "arguments": '{"id":1}'},
        }
    ]


def test_a_turn_of_thoughts_alone_is_dropped():
    turn = {"role": "assistant", "content": [{"type": "redacted_thinking", "data": ""}]}

    assert ask(USER, turn, USER)["messages"] == [USER, USER]


def test_results_become_messages_of_their_own():
    results = [
        {"type": "text", "text": "Look"},
        {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "content": "bad",
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "t3"},
        {
            "type": "tool_result",
            "tool_use_id": "t4",
            "content": [{"type": "text", "text": "shot"}, IMAGE],
        },
    ]

    *tools, user = ask({"role": "user", "content": results})["messages"]

    assert [(tool["tool_call_id"], tool["content"]) for tool in tools] == [
        ("t1", "one"),
        ("t2", "Error: bad"),
        ("t3", ""),
        ("t4", "shot"),
    ]
    assert user["content"] == [
        {"type": "text", "text": "Attached to the result of t4:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
        {"type": "text", "text": "Look"},
    ]


def test_documents_are_told_as_text_or_sent_as_files():
    text = {"type": "text", "media_type": "text/plain", "data": "Body"}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    found = {
        "type": "search_result",
        "title": "Found",
        "source": "https://x.example",
        "content": [{"type": "text", "text": "It"}],
    }

    content = ask(
        {
            "role": "user",
            "content": [
                {"type": "document", "source": text, "title": "Title"},
                {"type": "document", "source": pdf, "title": "a.pdf"},
                found,
            ],
        }
    )["messages"][0]["content"]

    texts = [part["text"] for part in content if part["type"] == "text"]
    assert texts == ["Title", "Body", "Found", "https://x.example", "It"]
    assert content[2]["file"] == {
        "filename": "a.pdf",
        "file_data": "data:application/pdf;base64,JVBE",
    }


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "url", "url": "https://x.example"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "container_upload", "file_id": "f"},
    ],
)
def test_content_that_the_model_cannot_take_is_refused(block):
    with pytest.raises(InvalidRequest) as caught:
        ask({"role": "user", "content": [block]})

    assert caught.value.code == "unsupported_parameter"


def test_tools_and_their_choice_are_translated():
    asked = ask(
        tools=[{**LOOKUP, "type": "custom", "description": "Looks"}],
        tool_choice={
            "type": "tool",
            "name": "lookup",
            "disable_parallel_tool_use": True,
        },
    )

    assert asked["tools"][0]["function"] == {
        "name": "lookup",
        "description": "Looks",
        "parameters": LOOKUP["input_schema"],
    }
    assert asked["tool_choice"]["function"] == {"name": "lookup"}
    assert asked["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("kind", "chosen"), [("auto", "auto"), ("any", "required"), ("none", "none")]
)
def test_a_choice_without_a_name_is_a_word(kind, chosen):
    assert ask(tools=[LOOKUP], tool_choice={"type": kind})["tool_choice"] == chosen
    assert "tool_choice" not in ask(tool_choice={"type": kind})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mcp_servers", [{"url": "https://x.example"}]),
        ("container", "c"),
        ("inference_geo", "us"),
    ],
)
def test_what_only_anthropic_does_is_refused(name, value):
    with pytest.raises(InvalidRequest) as caught:
        ask(**{name: value})

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


def test_a_servers_tool_is_refused_by_name():
    tool = {"type": "web_search_20250305", "name": "web_search"}

    with pytest.raises(InvalidRequest, match="web_search_20250305") as caught:
        ask(tools=[LOOKUP, tool])

    assert caught.value.param == "tools[1]"


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 8192}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32_000}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "disabled"}}, None),
        ({"output_config": {"effort": "high"}}, None),
        ({}, None),
    ],
)
def test_thinking_becomes_an_effort(fields, effort):
    assert ask(**fields).get("reasoning_effort") == effort


@pytest.mark.parametrize(("required", "strict"), [(["a"], True), ([], False)])
def test_a_format_is_strict_where_the_schema_allows_it(required, strict):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": required,
        "additionalProperties": False,
    }

    asked = ask(output_config={"format": {"type": "json_schema", "schema": schema}})

    named = asked["response_format"]["json_schema"]
    assert (named["schema"], named["strict"]) == (schema, strict)
