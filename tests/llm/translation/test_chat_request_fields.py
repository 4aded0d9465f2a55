"""Tools, limits, thinking and formats of a chat request in Anthropic's words."""

from typing import Any

import pytest

from devora_ops.common.errors import InvalidRequest
from llm.translation.chat_over_messages import request
from tests.llm.translation.samples import LOOKUP, call

USER = {"role": "user", "content": "Hi"}
BUDGET_MODEL = "claude-haiku-4-5-20251001"
OTHER = {"type": "function", "function": {"name": "other"}}


def ask(model: str = BUDGET_MODEL, messages: Any = None, **fields: Any):
    body = {"messages": messages or [USER], **fields}
    return request(body, model=model, max_tokens=4096)


def test_plain_fields_are_only_named_otherwise():
    asked = ask(stop="END", user="u-1", stream=True, service_tier="default")

    assert asked["stop_sequences"] == ["END"]
    assert asked["metadata"] == {"user_id": "u-1"}
    assert (asked["stream"], asked["service_tier"]) == (True, "standard_only")


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({}, 4096), ({"max_tokens": 5}, 5), ({"max_completion_tokens": 6}, 6)],
)
def test_the_limit_is_the_requests_or_the_default(fields, limit):
    assert ask(**fields)["max_tokens"] == limit


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        (
            {"type": "function", "function": {"name": "lookup"}},
            {"type": "tool", "name": "lookup"},
        ),
    ],
)
def test_tools_are_chosen_as_asked(choice, chosen):
    asked = ask(tools=[LOOKUP], tool_choice=choice)

    assert asked["tools"][0]["input_schema"] == LOOKUP["function"]["parameters"]
    assert asked["tool_choice"] == chosen


def test_a_function_without_parameters_takes_an_empty_object():
    assert ask(tools=[OTHER])["tools"] == [
        {"name": "other", "input_schema": {"type": "object", "properties": {}}}
    ]


def test_calls_one_at_a_time_are_asked_for():
    asked = ask(tools=[LOOKUP], parallel_tool_calls=False)

    assert asked["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in ask(parallel_tool_calls=False, tool_choice="auto")


def test_only_allowed_tools_are_sent():
    allowed = {"mode": "required", "tools": [OTHER]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}

    asked = ask(tools=[LOOKUP, OTHER], tool_choice=choice)

    assert [tool["name"] for tool in asked["tools"]] == ["other"]
    assert asked["tool_choice"] == {"type": "any"}


def test_a_custom_tool_is_refused():
    with pytest.raises(InvalidRequest, match="function"):
        ask(tools=[{"type": "custom", "custom": {"name": "c"}}])


@pytest.mark.parametrize(
    ("model", "fields", "sent"),
    [
        (BUDGET_MODEL, {"temperature": 1.7}, {"temperature": 1}),
        (BUDGET_MODEL, {"temperature": 0, "top_p": 0.5}, {"temperature": 0}),
        (BUDGET_MODEL, {"top_p": 0.5, "top_k": 4}, {"top_p": 0.5, "top_k": 4}),
        ("claude-opus-4-6", {"temperature": 0.2}, {"temperature": 0.2}),
        ("claude-opus-4-7", {"temperature": 0.2}, {}),
        ("anthropic/claude-sonnet-5.5", {"top_p": 0.2}, {}),
        ("claude-mythos-preview", {"temperature": 0.2}, {}),
        ("MiniMax-M7", {"temperature": 0.2}, {"temperature": 0.2}),
    ],
)
def test_sampling_is_capped_and_spared_models_that_refuse_it(model, fields, sent):
    asked = ask(model, **fields)

    names = ("temperature", "top_p", "top_k")
    assert {name: asked[name] for name in names if name in asked} == sent


@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        ("minimal", 4096, 1024),
        ("low", 8192, 2048),
        ("medium", 64_000, 8192),
        ("high", 64_000, 16_384),
        ("high", 4096, 2048),
        ("high", 1025, 1024),
    ],
)
def test_effort_becomes_a_budget_within_the_limit(effort, limit, budget):
    asked = ask(reasoning_effort=effort, max_tokens=limit, temperature=0.5)

    assert asked["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "temperature" not in asked


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "high", "max_tokens": 1024},
        {"reasoning_effort": "none"},
        {"reasoning_effort": "high", "tools": [LOOKUP], "tool_choice": "required"},
        {
            "reasoning_effort": "high",
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [call("c", "lookup", {})]},
                {"role": "tool", "tool_call_id": "c", "content": "one"},
            ],
        },
    ],
)
def test_a_budget_that_would_be_refused_is_left_out(fields):
    assert "thinking" not in ask(**fields)


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-sonnet-5", "medium", "medium"),
        ("claude-opus-4-8", "xhigh", "xhigh"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-fable-5", "minimal", "low"),
    ],
)
def test_newer_models_think_as_they_see_fit(model, effort, sent):
    asked = ask(model, reasoning_effort=effort)

    assert asked["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert asked["output_config"] == {"effort": sent}


def test_no_effort_is_the_least_a_newer_model_has():
    asked = ask("claude-opus-5-5", reasoning_effort="none")

    assert asked["output_config"] == {"effort": "low"}
    assert "thinking" not in asked


def test_anthropics_own_thinking_is_kept():
    own = {"type": "enabled", "budget_tokens": 2000}

    asked = ask(thinking=own, reasoning_effort="high", temperature=1)

    assert (asked["thinking"], "temperature" in asked) == (own, False)


def test_a_schema_is_asked_for_as_the_decoder_takes_it():
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 1, "description": "Least"},
            "tags": {"type": "array", "items": {"type": "object"}, "minItems": 1},
        },
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}

    output = ask("claude-sonnet-5", response_format=wanted, reasoning_effort="low")

    assert output["output_config"]["effort"] == "low"
    made = output["output_config"]["format"]["schema"]
    assert made["additionalProperties"] is False
    assert made["properties"]["minimum"] == {
        "type": "integer",
        "description": "Least (minimum: 1)",
    }
    assert made["properties"]["tags"] == {
        "type": "array",
        "items": {"type": "object", "additionalProperties": False},
        "minItems": 1,
    }


def test_a_json_object_is_asked_for_in_words():
    asked = ask(response_format={"type": "json_object"})

    assert "JSON object" in asked["system"][-1]["text"]
    assert "output_config" not in asked
