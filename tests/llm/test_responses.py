"""The Responses API with OpenAI's own client, over providers that speak it."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pydantic
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation
from tests.llm.responding import ANSWER, PRICE, TOOL, post


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def client(installation: Installation, caller: Caller) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    ) as client:
        yield client


# --- a client ------------------------------------------------------------------------


def test_a_response_is_answered_and_billed_to_the_token(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    model = installation.model("sim-usage-100-20-cached-60-reasoning-5", **PRICE)
    answer = client.responses.with_raw_response.create(
        model=model, input="Why do tests matter?", instructions="Be brief."
    )
    response = answer.parse()
    assert response.output_text
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 60
    cost = Decimal("0.00004") + Decimal("0.000006") + Decimal("0.0002")
    assert Decimal(answer.headers["X-Devora-Cost-Usd"]) == cost
    (attempt,) = installation.attempts(caller)
    assert (attempt["cost_usd"], attempt["estimated"]) == (cost, False)
    assert (attempt["input_tokens"], attempt["cache_read_tokens"]) == (100, 60)
    assert (attempt["output_tokens"], attempt["reasoning_tokens"]) == (20, 5)


def test_a_stream_passes_event_by_event_and_tells_its_cost(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    model = installation.model("sim-usage-100-20", **PRICE)
    with client.responses.stream(model=model, input="Why?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert said == final.output_text != ""
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(numbers)
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.0003")
    raw = post(installation, caller, model=model, stream=True).text
    *_, cost, end = raw.strip().split("\n\n")
    assert cost.startswith(": devora {")
    assert '"cost_usd":"0.0003"' in cost
    assert end.startswith("event: response.completed\n")


def test_tools_are_called(client: openai.OpenAI):
    for stream in (False, True):
        answer: Any = client.responses.create(
            model="simulator/gpt-5.2",
            input="How is it in Lyon?",
            stream=stream,
            extra_body={"tools": [TOOL], "tool_choice": "required"},
        )
        last = [*answer][-1].response if stream else answer
        (call,) = [it for it in last.output if it.type == "function_call"]
        assert call.name == "weather"
        assert "place" in call.arguments


def test_structured_output_is_parsed(client: openai.OpenAI):
    class City(pydantic.BaseModel):
        name: str
        inhabitants: int

    answer = client.responses.parse(
        model="simulator/gpt-5.2", input="A city?", text_format=City
    )
    assert isinstance(answer.output_parsed, City)


async def test_the_async_client_streams(installation: Installation, caller: Caller):
    async with openai.AsyncOpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    ) as client:
        stream = await client.responses.create(
            model="simulator/sim-instant", input="Why?", stream=True
        )
        kinds = [event.type async for event in stream]
    assert kinds[-1] == "response.completed"


def test_openrouter_is_believed_what_it_charges(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    slug = f"router-{uuid.uuid4().hex[:6]}"
    installation.provider(
        slug, f"{installation.simulator_url}/api/v1", kind="openrouter"
    )
    model = installation.model("sim-cost-0.0123", provider=slug, **PRICE)
    client.responses.create(model=model, input="Why?")
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.0123")


# --- routes and prompts ------------------------------------------------------------------


def test_a_provider_without_the_endpoint_leaves_it_to_the_next(
    installation: Installation, caller: Caller
):
    native = f"native-{uuid.uuid4().hex[:6]}"
    installation.provider(native, installation.simulator_url, kind="anthropic")
    alone = installation.model("sim-instant", provider=native, **PRICE)
    other = installation.model(f"sim-usage-1-1-tag-{native[-6:]}", **PRICE)
    refused = post(installation, caller, model=alone)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "unsupported_endpoint"
    with installation.orm():
        from llm.models import Model
        from llm.services import route_ensure

        targets = [
            Model.objects.get(provider__slug=slug, name=name)
            for slug, _, name in (each.partition("/") for each in (alone, other))
        ]
        route_ensure(slug=native, targets=targets)
    installation.caller()
    answer = post(installation, caller, model=native)
    assert answer.headers["X-Devora-Model"] == other


def test_a_model_for_embeddings_alone_is_passed_over(
    installation: Installation, caller: Caller
):
    tag = uuid.uuid4().hex[:6]
    names = [f"sim-usage-{n}-1-tag-{tag}" for n in (1, 2, 3)]
    abilities: list[dict[str, bool]] = [
        {"chat": False, "embeddings": True, "responses": False},
        {"chat": True, "embeddings": False, "responses": False},
        {"chat": False, "embeddings": False, "responses": True},
    ]
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure, route_ensure

        simulator = Provider.objects.get(slug="simulator")
        targets = [model_ensure(provider=simulator, name=name) for name in names]
        for target, able in zip(targets, abilities, strict=True):
            target.abilities = able
            target.save()
        route_ensure(slug=f"mixed-{tag}", targets=targets)
    installation.caller()
    answer = post(installation, caller, model=f"mixed-{tag}")
    assert answer.headers["X-Devora-Model"] == f"simulator/{names[1]}"


def test_a_prompt_serves_a_responses_client(
    installation: Installation, client: openai.OpenAI, upstream: Upstream
):
    upstream.say(ANSWER)
    slug = f"greet-{uuid.uuid4().hex[:6]}"
    schema = {"type": "object", "properties": {"greeting": {"type": "string"}}}
    with installation.orm():
        from prompts.services import label_move, prompt_create

        definition = {
            "messages": [{"role": "system", "content": "Be kind to {{ name }}."}],
            "model": model_of(installation, upstream),
            "variables": {"name": {"type": "string"}},
            "parameters": {"max_completion_tokens": 33, "seed": 5},
            "response_schema": schema,
        }
        prompt = prompt_create(
            slug=slug, name=slug, actor="test", definition=definition
        )
        label_move(prompt=prompt, label="production", number=1, actor="test")
    installation.caller()
    extra = {"variables": {"name": "Ada"}}
    client.responses.create(model=f"prompt:{slug}", input="Hello!", extra_body=extra)
    asked = upstream.asked[-1]
    assert asked["input"] == [
        {"role": "system", "content": "Be kind to Ada."},
        {"role": "user", "content": "Hello!"},
    ]
    assert asked["max_output_tokens"] == 33
    assert asked["text"]["format"] == {
        "type": "json_schema",
        "name": slug,
        "schema": schema,
        "strict": True,
    }
    assert not {"messages", "seed", "response_format", "variables"} & asked.keys()


# --- failures ------------------------------------------------------------------------------


def test_a_response_that_failed_is_billed_by_its_usage_and_asked_again(
    installation: Installation, caller: Caller, upstream: Upstream
):
    upstream.say({**ANSWER, "status": "failed", "error": {"code": "server_error"}})
    answer = post(installation, caller, model=model_of(installation, upstream))
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "provider_error"
    attempts = installation.attempts(caller, count=3)
    assert {each["cost_usd"] for each in attempts} == {Decimal("0.000025")}


def test_a_stream_that_fails_at_once_falls_back(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    tag = uuid.uuid4().hex[:6]
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure, route_ensure

        simulator = Provider.objects.get(slug="simulator")
        names = (f"sim-sse-error-after-0-tag-{tag}", f"sim-usage-5-7-tag-{tag}")
        targets = [model_ensure(provider=simulator, name=name) for name in names]
        route_ensure(slug=f"failing-{tag}", targets=targets)
    installation.caller()
    with client.responses.stream(model=f"failing-{tag}", input="Why?") as stream:
        final = stream.get_final_response()
    assert final.model == names[1]
    assert final.output_text


@pytest.mark.parametrize("words", ["sse-error-after-2", "close-before-done-chunks-5"])
def test_a_stream_that_breaks_off_says_so(
    installation: Installation, caller: Caller, client: openai.OpenAI, words: str
):
    model = installation.model(f"sim-{words}-tag-{uuid.uuid4().hex[:6]}", **PRICE)
    with (
        pytest.raises(openai.APIError),
        client.responses.stream(model=model, input="Why?") as stream,
    ):
        stream.until_done()
    (attempt,) = installation.attempts(caller)
    assert (attempt["error_code"], attempt["estimated"]) == ("stream_broken", True)
    assert attempt["output_tokens"] > 0
    assert attempt["cost_usd"] > 0


# --- the cache -------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("tool", [False, True])
def test_an_answer_is_given_again_as_it_is_asked_for(
    installation: Installation,
    caller: Caller,
    client: openai.OpenAI,
    first: bool,
    then: bool,
    tool: bool,
):
    name = f"sim-usage-9-30-tag-{uuid.uuid4().hex[:6]}"
    model = installation.model(name, **PRICE)
    with_tool = {"tools": [TOOL], "tool_choice": "required"} if tool else {}

    def ask(stream: bool) -> Any:
        asked: Any = {"model": model, "input": "Why?", **with_tool}
        extra = {"use_cache": True}
        if not stream:
            return client.responses.create(**asked, extra_body=extra)
        with client.responses.stream(**asked, extra_body=extra) as events:
            return events.get_final_response()

    one, other = ask(first), ask(then)
    assert one.output_text == other.output_text
    assert said(one) == said(other)
    calls = installation.calls(caller, count=2)
    assert sorted(each["cache"] for each in calls) == ["hit", "miss"]
    assert len(installation.attempts(caller)) == 1


def said(response: Any) -> list[dict[str, Any]]:
    """Return a response's items without what the client itself makes of them."""
    items = [item.to_dict() for item in response.output]
    for each in (*items, *(p for it in items for p in it.get("content") or ())):
        each.pop("parsed", None)
        each.pop("parsed_arguments", None)
    return items


def test_what_a_filter_cut_off_is_not_given_again(
    installation: Installation, caller: Caller, upstream: Upstream
):
    details = {"reason": "content_filter"}
    upstream.say({**ANSWER, "status": "incomplete", "incomplete_details": details})
    model = model_of(installation, upstream)
    for _ in range(2):
        answer = post(installation, caller, model=model, use_cache=True)
        assert answer.headers["X-Devora-Cache"] == "miss"
