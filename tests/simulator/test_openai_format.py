"""The official client of OpenAI's API gets what it expects."""

import json
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.simulator import SimulatorProcess

HELLO = [{"role": "user", "content": "Why is the build red?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
        },
    },
}


def test_a_chat_completion_has_text_and_usage(client: Any):
    answer = client.chat.completions.create(model="gpt-5.2", messages=HELLO)
    assert answer.model == "gpt-5.2"
    assert answer.id.startswith("chatcmpl-")
    assert answer.system_fingerprint
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content.endswith(".")
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details.reasoning_tokens > 0
    assert usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens == 0


def test_the_same_body_gets_the_same_answer_under_another_id(client: Any):
    first = client.chat.completions.create(model="gpt-5.2", messages=HELLO)
    again = client.chat.completions.create(model="gpt-5.2", messages=HELLO)
    assert again.choices == first.choices
    assert again.usage == first.usage
    assert again.id != first.id


def test_another_body_gets_another_answer(client: Any):
    first = client.chat.completions.create(model="gpt-5.2", messages=HELLO)
    other = client.chat.completions.create(model="gpt-5.2", messages=HELLO, user="x")
    assert other.choices != first.choices


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer(client: Any, field: str):
    answer = client.chat.completions.create(
        model="gpt-4.1", messages=HELLO, **{field: 5}
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_several_choices_are_counted_together(client: Any):
    answer = client.chat.completions.create(
        model="gpt-4.1", messages=HELLO, n=3, max_tokens=4
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens == 12


def test_a_long_prompt_may_be_cached_in_blocks(client: Any):
    long = [{"role": "user", "content": "word " * 4000}]
    counts = {
        client.chat.completions.create(
            model="gpt-4.1", messages=long, user=str(n), max_tokens=1
        ).usage.prompt_tokens_details.cached_tokens
        for n in range(12)
    }
    assert any(counts)
    assert all(count % 128 == 0 for count in counts)


def test_a_stream_ends_with_the_usage_that_was_asked_for(client: Any):
    chunks = list(
        client.chat.completions.create(
            model="gpt-5.2",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.endswith(".")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_has_no_usage_unless_it_is_asked_for(client: Any):
    stream = client.chat.completions.create(
        model="gpt-5.2", messages=HELLO, stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
def test_a_forced_tool_is_called_with_fitting_arguments(client: Any, choice: object):
    answer = client.chat.completions.create(
        model="gpt-4.1", messages=HELLO, tools=[WEATHER], tool_choice=choice
    ).choices[0]
    assert answer.finish_reason == "tool_calls"
    call = answer.message.tool_calls[0].function
    arguments = json.loads(call.arguments)
    assert call.name == "weather"
    assert arguments["unit"] in {"C", "F"}
    assert 1 <= arguments["days"] <= 7


def test_a_tool_call_is_streamed_in_pieces(client: Any):
    stream = client.chat.completions.create(
        model="gpt-4.1",
        messages=HELLO,
        tools=[WEATHER],
        tool_choice="required",
        stream=True,
    )
    calls = [
        chunk.choices[0].delta.tool_calls[0]
        for chunk in stream
        if chunk.choices[0].delta.tool_calls
    ]
    assert calls[0].id
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments for call in calls))["city"]


def test_a_tool_that_need_not_be_called_is_not(client: Any):
    answer = client.chat.completions.create(
        model="gpt-4.1", messages=HELLO, tools=[WEATHER]
    )
    assert answer.choices[0].message.tool_calls is None


def test_json_is_json_when_it_is_asked_for(client: Any):
    schema = {
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
        "$defs": {"tag": {"enum": ["bug", "question"]}},
    }
    answer = client.chat.completions.create(
        model="gpt-4.1",
        messages=HELLO,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": schema},
        },
    )
    tags = json.loads(answer.choices[0].message.content)["tags"]
    assert set(tags) <= {"bug", "question"}
    free = client.chat.completions.create(
        model="gpt-4.1", messages=HELLO, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(free.choices[0].message.content), dict)


def test_embeddings_of_texts_with_common_words_are_near(client: Any):
    answer = client.embeddings.create(
        model="text-embedding-3-small",
        input=["the build is red", "why is the build red", "invoice for October"],
    )
    red, why, invoice = (item.embedding for item in answer.data)
    assert len(red) == 1536
    assert _dot(red, red) == pytest.approx(1, abs=1e-5)
    assert _dot(red, why) > 0.5 > _dot(red, invoice)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


def test_embeddings_obey_the_dimensions_and_the_encoding(client: Any):
    wanted = {"model": "text-embedding-3-large", "input": "red", "dimensions": 64}
    packed = client.embeddings.create(**wanted)
    plain = client.embeddings.create(**wanted, encoding_format="float")
    assert len(plain.data[0].embedding) == 64
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)


def test_the_models_are_listed(client: Any):
    assert "gpt-5.2" in [model.id for model in client.models.list()]


def test_openrouter_names_the_provider_and_sends_comments(simulator: SimulatorProcess):
    router: Any
    with openai.OpenAI(
        base_url=simulator.openrouter_url, api_key="sk-or-x", max_retries=0
    ) as router:
        wanted = {"model": "anthropic/claude-sonnet-5", "messages": HELLO}
        answer = router.chat.completions.create(**wanted)
        assert answer.id.startswith("gen-")
        assert answer.model_extra["provider"] == "Anthropic"
        chunks = list(router.chat.completions.create(**wanted, stream=True))
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].choices[0].finish_reason is None
        assert chunks[-1].usage.cost > 0
        priced = {**wanted, "model": "openai/sim-usage-10-5-cost-0.00125"}
        assert router.chat.completions.create(**priced).usage.cost == 0.00125
    assert simulator.journal("anthropic/claude-sonnet-5")[0].api == "openrouter.chat"


@pytest.mark.parametrize("stream", [False, True])
def test_openrouter_tells_and_journals_what_a_call_cost(
    simulator: SimulatorProcess, stream: bool
):
    def bill_of(words: str) -> dict[str, Any]:
        model = f"openai/sim-usage-10-5-{words}-tag-{'sse' if stream else 'json'}"
        said = {"model": model, "messages": HELLO, "stream": stream}
        text = httpx.post(
            f"{simulator.openrouter_url}/chat/completions", json=said
        ).text
        lines = text.split("data: ") if stream else [text]
        (told,) = [line for line in lines if '"usage":{' in line]
        assert simulator.journal(model)[-1].usage == json.loads(told)["usage"]
        return json.loads(told, parse_float=str)["usage"]

    plain = bill_of("chunks-2")
    assert (plain["cost"], plain["is_byok"]) == ("0.000035", False)
    assert plain["cost_details"] == {"upstream_inference_cost": "0.000035"}
    exact = bill_of("cost-0.000012345678901234567890")
    assert exact["cost"] == "0.000012345678901234567890"
    own_key = bill_of("byok-0.02")
    assert (own_key["cost"], own_key["is_byok"]) == ("0.0010", True)
    assert own_key["cost_details"] == {"upstream_inference_cost": "0.02"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("no-cost", None),
        ("bad-cost-negative", -0.5),
        ("bad-cost-string", "a lot"),
        ("bad-cost-huge", 10**9),
    ],
)
def test_a_broken_bill_is_shown_and_the_right_one_journalled(
    simulator: SimulatorProcess, word: str, told: Any
):
    model = f"openai/sim-usage-10-5-{word}"
    said = {"model": model, "messages": HELLO}
    url = f"{simulator.openrouter_url}/chat/completions"
    assert httpx.post(url, json=said).json()["usage"]["cost"] == told
    assert simulator.journal(model)[-1].usage["cost"] == 0.000035


def test_openrouter_tells_what_embeddings_cost(simulator: SimulatorProcess):
    said = {"model": "openai/sim-usage-10-0", "input": "hi"}
    answer = httpx.post(f"{simulator.openrouter_url}/embeddings", json=said).json()
    assert answer["usage"]["cost"] == 0.00001


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
