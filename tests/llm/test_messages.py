"""The Anthropic wire format, with Anthropic's own client, over models of both kinds."""

import asyncio
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

_THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
HELLO: Any = [{"role": "user", "content": "Why do tests matter?"}]
WEATHER: Any = {
    "name": "weather",
    "description": "Tell the weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
    },
}


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def client(installation: Installation, caller: Caller) -> Iterator[Any]:
    with anthropic.Anthropic(
        base_url=installation.url, api_key=caller.key, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="module")
def native(installation: Installation) -> str:
    """A provider that speaks Messages; its models answer to any `sim-` name."""
    slug = f"anthro-{uuid.uuid4().hex[:6]}"
    with installation.orm():
        from llm.services import provider_ensure

        provider_ensure(
            slug=slug,
            kind="anthropic",
            base_url=installation.simulator_url,
            secret="sk-ant-test",
            from_environment=True,
        )
    installation.caller()
    return slug


def price(installation: Installation, model: str) -> None:
    from django.utils import timezone

    with installation.orm():
        from costs.models import Price

        Price.objects.get_or_create(
            model=model,
            defaults={
                "input": Decimal("0.000003"),
                "output": Decimal("0.000015"),
                "cache_read": Decimal("0.0000003"),
                "valid_from": timezone.now(),
                "source": "test",
            },
        )
    installation.caller()


@pytest.mark.parametrize("kind", ["native", "translated"])
def test_a_message_is_answered_and_costs_what_its_usage_says(
    installation: Installation, caller: Caller, client: Any, native: str, kind: str
):
    provider = native if kind == "native" else "simulator"
    model = f"{provider}/sim-usage-90-7"
    price(installation, model)

    raw = client.messages.with_raw_response.create(
        model=model, max_tokens=50, messages=HELLO
    )
    message = raw.parse()

    assert message.type == "message"
    assert message.content[0].text
    assert (message.usage.input_tokens, message.usage.output_tokens) == (90, 7)
    cost = 90 * Decimal("0.000003") + 7 * Decimal("0.000015")
    assert Decimal(raw.headers["X-Devora-Cost-Usd"]) == cost
    assert raw.headers["request-id"] == raw.headers["X-Request-Id"]
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == cost
    (billed,) = [
        line
        for line in installation.journal_lines("billed")
        if line["attempt"] == str(attempt["id"])
    ]
    wanted = "anthropic.messages" if kind == "native" else "openai.chat"
    assert billed["api"] == wanted


@pytest.mark.parametrize("kind", ["native", "translated"])
def test_a_stream_arrives_whole_and_tells_its_cost_before_its_end(
    installation: Installation, caller: Caller, client: Any, native: str, kind: str
):
    provider = native if kind == "native" else "simulator"
    model = f"{provider}/sim-usage-40-12-chunks-6"
    price(installation, model)

    with client.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream:
        said = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert said == message.content[0].text != ""
    assert message.usage.output_tokens == 12
    body = {"model": model, "max_tokens": 50, "messages": HELLO, "stream": True}
    raw = httpx.post(
        f"{installation.url}/v1/messages",
        json=body,
        headers={"x-api-key": caller.key},
        timeout=30,
    )
    events = raw.text.strip().split("\n\n")
    assert events[-1].startswith("event: message_stop")
    assert events[-2].startswith(": devora {")
    cost = 40 * Decimal("0.000003") + 12 * Decimal("0.000015")
    assert f'"cost_usd":"{cost.normalize():f}"' in events[-2]
    assert [a["cost_usd"] for a in installation.attempts(caller, count=2)] == [cost] * 2


@pytest.mark.parametrize("kind", ["native", "translated"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_is_called_and_its_result_taken(
    client: Any, native: str, kind: str, streaming: bool
):
    model = f"{native}/claude-sonnet-5" if kind == "native" else "simulator/gpt-5.2"
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": 50,
        "messages": HELLO,
        "tools": [WEATHER],
        "tool_choice": {"type": "tool", "name": "weather"},
    }
    if streaming:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    (use,) = [block for block in message.content if block.type == "tool_use"]
    assert use.name == "weather"
    assert isinstance(use.input, dict)

    answer = client.messages.create(
        model=model,
        max_tokens=50,
        tools=[WEATHER],
        messages=[
            *HELLO,
            {"role": "assistant", "content": message.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
                ],
            },
        ],
    )
    assert answer.type == "message"


def test_the_async_client_streams_too(installation: Installation, native: str):
    caller = installation.caller()

    async def ask() -> str:
        async with anthropic.AsyncAnthropic(
            base_url=installation.url, api_key=caller.key, max_retries=0
        ) as client:
            stream = await client.messages.create(
                model=f"{native}/sim-chunks-4",
                max_tokens=50,
                messages=HELLO,
                stream=True,
            )
            return "".join(
                [
                    event.delta.text
                    async for event in stream
                    if event.type == "content_block_delta"
                ]
            )

    assert asyncio.run(ask())


def test_errors_have_anthropics_shape(
    installation: Installation, client: Any, native: str
):
    with pytest.raises(anthropic.AuthenticationError) as refused:
        client.with_options(api_key="sk-ant-nonsense").messages.create(
            model=f"{native}/sim-instant", max_tokens=5, messages=HELLO
        )
    body: Any = refused.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "authentication_error"
    assert body["request_id"]
    for model, kind in [
        (f"{native}/sim-429", anthropic.RateLimitError),
        (f"{native}/sim-400", anthropic.BadRequestError),
        ("nobody/knows", anthropic.NotFoundError),
        (f"{native}/sim-500-tag-{uuid.uuid4().hex[:6]}", anthropic.InternalServerError),
    ]:
        with pytest.raises(kind) as told:
            client.messages.create(model=model, max_tokens=5, messages=HELLO)
        answer: Any = told.value.body
        assert answer["type"] == "error"
        assert answer["error"]["message"]


def test_a_refused_budget_is_not_tried_again(
    installation: Installation, caller: Caller, client: Any, native: str
):
    model = f"{native}/sim-usage-9-3"
    price(installation, model)
    installation.budget(limit_usd="0.000000001", team=caller.team)
    with pytest.raises(anthropic.APIStatusError) as refused:
        client.with_options(max_retries=2).messages.create(
            model=model, max_tokens=50, messages=HELLO
        )
    assert refused.value.status_code == 402
    body: Any = refused.value.body
    assert body["error"]["type"] == "billing_error"
    assert len(installation.calls(caller)) == 1


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"system": 7}, "system"),
        ({"temperature": 1.5}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"api_base": "http://127.0.0.1"}, "api_base"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_sent(
    installation: Installation, caller: Caller, native: str, changes: Any, param: str
):
    body = {"model": f"{native}/sim-instant", "max_tokens": 5, "messages": HELLO}
    answer = httpx.post(
        f"{installation.url}/v1/messages",
        json={**body, **changes},
        headers={"x-api-key": caller.key},
    )
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    (call,) = installation.calls(caller)
    assert (call["status"], call["attempts"], call["agent"]) == (
        "error",
        0,
        caller.agent,
    )


def test_a_prompt_serves_a_messages_client(
    installation: Installation, client: Any, native: str
):
    slug = f"greet-{uuid.uuid4().hex[:6]}"
    with installation.orm():
        from prompts.services import label_move, prompt_create

        prompt = prompt_create(
            slug=slug,
            name="Greeting",
            actor="test",
            definition={
                "messages": [
                    {"role": "system", "content": "Be kind to {{ name }}."},
                    {"role": "user", "content": "Greet {{ name }}."},
                ],
                "model": f"{native}/sim-instant",
                "variables": {"name": {"type": "string"}},
                "parameters": {"max_completion_tokens": 33},
            },
        )
        label_move(prompt=prompt, label="production", number=1, actor="test")
    installation.caller()
    message = client.messages.create(
        model=f"prompt:{slug}",
        max_tokens=20,
        messages=HELLO,
        extra_body={"variables": {"name": "Ada"}},
    )
    assert message.content
    seen = httpx.get(f"{installation.simulator_url}/__sim__/requests").json()
    (body,) = [
        each["body"]
        for each in seen
        if each["path"] == "/v1/messages" and "Be kind to Ada." in str(each["body"])
    ]
    assert body["system"] == "Be kind to Ada."
    assert [m["role"] for m in body["messages"]] == ["user", "user"]
    assert body["max_tokens"] == 20


def test_a_chat_client_reaches_an_anthropic_model(
    installation: Installation, caller: Caller, native: str
):
    model = f"{native}/sim-usage-100-20-cached-60"
    price(installation, model)
    client = openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=50)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 100
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 60
    stream = client.chat.completions.create(
        model=model,
        messages=HELLO,
        max_tokens=50,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 120
    cost = (
        40 * Decimal("0.000003") + 60 * Decimal("0.0000003") + 20 * Decimal("0.000015")
    )
    first, second = installation.attempts(caller, count=2)
    assert first["cost_usd"] == second["cost_usd"] == cost
    wait_until(lambda: len(installation.calls(caller)) == 2)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"name": "f", "input_schema": schema}]}, "tools[0].input_schema")
        for schema in ([1], "object", True, 5, 1.5)
    ]
    + [({"tools": [{"name": "f", "input_schema": {}}] * 2}, "tools")]
    + [
        ({**_THINKING, "output_config": {"effort": effort}}, "output_config.effort")
        for effort in (["low"], {"a": 1}, 5)
    ],
)
def test_what_cannot_be_translated_is_refused_by_its_field(
    installation: Installation, caller: Caller, body: dict[str, Any], param: str
):
    refused = httpx.post(
        f"{installation.url}/v1/messages",
        json={
            "model": "simulator/sim-instant",
            "max_tokens": 2000,
            "messages": HELLO,
            **body,
        },
        headers={"x-api-key": caller.key},
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
