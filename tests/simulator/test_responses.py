"""The official client of OpenAI's Responses API gets what it expects."""

import json
from typing import Any, Literal

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import events

RESPONSES = "/v1/responses"
HELLO = "Why is the build red?"
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
    },
    "strict": True,
}
MESSAGE = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


class Report(BaseModel):
    """What a structured answer has to be."""

    title: str
    severity: Literal["low", "high"]
    labels: list[str]


def ask(model: str, **fields: Any) -> dict[str, Any]:
    """Return a body of the Responses API."""
    return {"model": model, "input": HELLO, **fields}


def told(http: httpx.Client, model: str, **fields: Any) -> list[Any]:
    """Return the events of a stream as a plain client sees them."""
    body = ask(model, stream=True, **fields)
    return [json.loads(event) for event in events(http.post(RESPONSES, json=body).text)]


def kinds(told: list[Any]) -> list[str]:
    """Return the types of events."""
    return [event["type"] for event in told]


def test_a_response_has_reasoning_text_and_usage(client: Any):
    answer = client.responses.create(**ask("gpt-5.2"))
    assert answer.id.startswith("resp_")
    assert (answer.model, answer.status) == ("gpt-5.2", "completed")
    reasoning, message = answer.output
    assert (reasoning.type, reasoning.summary) == ("reasoning", [])
    assert (message.role, message.status) == ("assistant", "completed")
    assert answer.output_text.endswith(".")
    usage = answer.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    assert usage.input_tokens_details.cached_tokens == 0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"max_output_tokens": 9, "instructions": "Be short.", "metadata": {"a": "b"}},
        {"text": {"format": {"type": "json_object"}}, "temperature": 0},
    ],
)
def test_documents_and_events_are_what_openais_types_require(
    http: httpx.Client, fields: dict[str, Any]
):
    for model in ("gpt-5.2", "gpt-4.1"):
        answer = http.post(RESPONSES, json=ask(model, **fields)).json()
        Response.model_validate(answer)
        repeated = {name: answer[name] for name in fields}
        assert repeated == fields
        for event in told(http, model, **fields):
            TypeAdapter(ResponseStreamEvent).validate_python(event)


def test_instructions_and_items_count_as_input(client: Any):
    def tokens(input_: Any, **fields: Any) -> int:
        answer = client.responses.create(model="gpt-4.1", input=input_, **fields)
        count: int = answer.usage.input_tokens
        return count

    plain = tokens(HELLO)
    assert tokens([{"role": "user", "content": HELLO}]) == plain
    parts = [{"type": "input_text", "text": HELLO}]
    assert tokens([{"role": "user", "content": parts}]) == plain
    assert tokens(HELLO, instructions="Be short.") > plain
    assert tokens(HELLO, tools=[WEATHER]) > plain
    image = {"type": "input_image", "image_url": "https://example.com/a.png"}
    assert tokens([{"role": "user", "content": [*parts, image]}]) == plain + 765
    call = {"type": "function_call", "call_id": "c", "name": "w", "arguments": "{}"}
    short = {"type": "function_call_output", "call_id": "c", "output": "12 C"}
    turns = [{"role": "user", "content": HELLO}, call]
    long = {**short, "output": "12 C " * 80}
    assert tokens([*turns, long]) == tokens([*turns, short]) + 99


def test_a_limit_makes_a_response_incomplete(client: Any):
    wanted = ask("gpt-4.1", max_output_tokens=5)
    answer = client.responses.create(**wanted)
    assert answer.status == answer.output[0].status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 5
    *_, last = client.responses.create(**wanted, stream=True)
    assert last.type == "response.incomplete"
    assert last.response.output[0].status == "incomplete"
    assert last.response.usage.output_tokens == 5


def test_a_stream_tells_every_step(client: Any):
    stream = list(client.responses.create(**ask("sim-chunks-2"), stream=True))
    assert [event.type for event in stream] == MESSAGE
    assert [event.sequence_number for event in stream] == list(range(len(MESSAGE)))
    text = "".join(event.delta for event in stream if event.type.endswith(".delta"))
    done = stream[-1].response
    assert text == stream[6].text == stream[7].part.text == done.output_text
    assert stream[8].item == done.output[0]
    assert stream[0].response.status == "in_progress"
    assert stream[0].response.usage is None
    assert done.usage.total_tokens > 0
    assert len({event.response.id for event in (*stream[:2], stream[-1])}) == 1


def test_every_event_has_its_type_for_a_name(http: httpx.Client):
    text = http.post(RESPONSES, json=ask("sim-chunks-2", stream=True)).text
    names = [line[7:] for line in text.split("\n") if line.startswith("event: ")]
    assert names == MESSAGE
    assert "[DONE]" not in text


def test_reasoning_is_an_item_of_a_stream(http: httpx.Client):
    stream = told(http, "sim-chunks-2-reasoning-8")
    assert kinds(stream[2:4]) == [MESSAGE[2], MESSAGE[8]]
    assert stream[3]["item"]["type"] == "reasoning"
    assert {event["output_index"] for event in stream[4:-1]} == {1}


def test_the_clients_own_accumulation_works(client: Any):
    with client.responses.stream(model="gpt-5.2", input=HELLO) as stream:
        text = "".join(
            e.delta for e in stream if e.type == "response.output_text.delta"
        )
        assert stream.get_final_response().output_text == text


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "name": "weather"}]
)
def test_a_forced_tool_is_called_with_fitting_arguments(client: Any, choice: object):
    wanted = ask("gpt-4.1", tools=[WEATHER], tool_choice=choice)
    (call,) = client.responses.create(**wanted).output
    assert (call.type, call.name) == ("function_call", "weather")
    assert call.status == "completed"
    assert call.id.startswith("fc_")
    assert call.call_id.startswith("call_")
    assert json.loads(call.arguments)["unit"] in {"C", "F"}


def test_a_tool_call_is_streamed_in_pieces(client: Any):
    wanted = ask("gpt-4.1", tools=[WEATHER], tool_choice="required", stream=True)
    _, _, added, *deltas, whole, done, last = client.responses.create(**wanted)
    assert (added.item.name, added.item.arguments) == ("weather", "")
    kind = "response.function_call_arguments"
    assert {event.type for event in deltas} == {f"{kind}.delta"}
    assert whole.type == f"{kind}.done"
    assert whole.arguments == "".join(event.delta for event in deltas)
    assert done.item.arguments == whole.arguments
    assert last.response.output == [done.item]
    assert json.loads(whole.arguments)["city"]


def test_a_tool_that_need_not_be_called_is_not(client: Any):
    for choice in ("auto", {"type": "web_search_preview"}):
        tools = [{"type": "web_search_preview"}, WEATHER]
        wanted = ask("gpt-4.1", tools=tools, tool_choice=choice)
        assert client.responses.create(**wanted).output[0].type == "message"


def test_json_is_json_when_it_is_asked_for(client: Any):
    answer = client.responses.parse(**ask("gpt-4.1"), text_format=Report)
    assert isinstance(answer.output_parsed, Report)
    free = ask("gpt-4.1", text={"format": {"type": "json_object"}})
    text = client.responses.create(**free).output_text
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": None},
        {"input": ""},
        {"input": []},
        {"input": 5},
        {"input": [5]},
        {"input": [{"content": "hello"}]},
        {"input": [{"type": 5}]},
        {"max_output_tokens": 0},
        {"stream": "yes"},
        {"text": "json"},
        {"text": {"format": "json"}},
        {"tools": [5]},
        {"tools": [{"type": "function"}]},
        {"tool_choice": {"type": "function", "name": "nothing"}},
    ],
)
def test_a_body_that_cannot_be_served_is_a_400(
    http: httpx.Client, fields: dict[str, Any]
):
    for model in ("gpt-5.2", "sim-chunks-2"):
        answer = http.post(RESPONSES, json={**ask(model), **fields})
        assert answer.status_code == 400
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_missing_input_is_named(client: Any):
    for model in ("gpt-5.2", "sim-instant"):
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model=model, extra_body={"messages": [HELLO]})
        assert raised.value.param == "input"


def test_refusals_have_openais_shape(client: Any):
    with pytest.raises(openai.RateLimitError) as raised:
        client.responses.create(**ask("sim-429-retry-2"))
    assert raised.value.response.headers["retry-after"] == "2"
    with pytest.raises(openai.BadRequestError, match="too long"):
        client.responses.create(**ask("sim-context-length"), stream=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gpt-5.2", "sim-instant"])
def test_a_response_is_journalled_with_its_usage(
    simulator: SimulatorProcess, client: Any, tag: str, model: str, stream: bool
):
    wanted = ask(model, stream=stream, extra_headers={"X-Devora-Attempt": tag})
    answer = client.responses.create(**wanted)
    if stream:
        *_, last = answer
        answer = last.response
    accepted, billed = (e for e in simulator.journal() if e.attempt == tag)
    assert (accepted.event, billed.event) == ("accepted", "billed")
    assert accepted.api == billed.api == "openai.responses"
    assert billed.completed
    assert billed.usage == answer.usage.to_dict()
    assert (billed.chunks_sent > 0) is stream


def test_instant_responses_have_ids_of_their_own(client: Any):
    first = client.responses.create(**ask("sim-instant"))
    again = client.responses.create(**ask("sim-instant"))
    assert first.output_text == again.output_text == "Hello."
    assert first.id != again.id
    assert first.output[0].id != again.output[0].id


def test_usage_is_exactly_what_the_name_says(client: Any):
    model = "sim-usage-1000-20-cached-512-written-64-reasoning-8"
    usage = client.responses.create(**ask(model)).usage
    assert (usage.input_tokens, usage.output_tokens) == (1000, 20)
    assert usage.input_tokens_details.cached_tokens == 512
    assert usage.input_tokens_details.cache_write_tokens == 64
    assert usage.output_tokens_details.reasoning_tokens == 8


@pytest.mark.parametrize("stream", [False, True])
def test_usage_may_be_absent_or_absurd(http: httpx.Client, stream: bool):
    def shown(model: str) -> Any:
        if stream:
            return told(http, model)[-1]["response"]["usage"]
        return http.post(RESPONSES, json=ask(model)).json()["usage"]

    assert shown("sim-no-usage") is None
    usage = shown("sim-bad-usage")
    names = ("input_tokens", "output_tokens", "total_tokens")
    assert [usage[name] for name in names] == [-5, "many", 10**18]
    assert shown("sim-cost-0.00125")["cost"] == 0.00125


def test_output_may_be_empty(http: httpx.Client):
    model = "sim-empty-choices-reasoning-8"
    assert http.post(RESPONSES, json=ask(model)).json()["output"] == []
    assert kinds(told(http, model)) == [*MESSAGE[:2], MESSAGE[-1]]


def test_arguments_of_a_tool_may_be_broken(client: Any):
    wanted = ask("sim-broken-arguments", tools=[WEATHER], tool_choice="required")
    with pytest.raises(json.JSONDecodeError):
        json.loads(client.responses.create(**wanted).output[0].arguments)


def test_ids_may_repeat(client: Any):
    ids = {client.responses.create(**ask("sim-same-id")).id for _ in range(2)}
    assert len(ids) == 1


def test_the_end_may_be_missing(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-usage-30-10-chunks-2-close-before-done-tag-{tag}"
    assert kinds(told(http, model)) == MESSAGE[:-1]
    billed = simulator.journal(model)[-1]
    assert billed.usage["total_tokens"] == 40
    assert billed.completed is False


def test_something_may_come_after_the_end(http: httpx.Client):
    after = [*MESSAGE, "response.output_text.delta"]
    assert kinds(told(http, "sim-chunks-2-after-done")) == after


@pytest.mark.parametrize("words", ["", "comments-"])
def test_an_error_event_may_end_a_stream(client: Any, words: str):
    model = f"sim-{words}chunks-9-sse-error-after-2"
    stream = list(client.responses.create(**ask(model), stream=True))
    *before, error = stream
    assert [event.type for event in before] == MESSAGE[:6]
    assert (error.type, error.code) == ("error", "overloaded")
    assert error.message == "Overloaded."
    assert [event.sequence_number for event in stream] == list(range(7))


@pytest.mark.parametrize("count", [0, 3])
def test_a_stream_may_be_cut(
    simulator: SimulatorProcess, client: Any, tag: str, count: int
):
    model = f"sim-usage-100-20-chunks-10-cut-stream-after-{count}-tag-{tag}"
    received: list[Any] = []
    with pytest.raises(openai.APIConnectionError):
        received.extend(client.responses.create(**ask(model), stream=True))
    billed = simulator.journal(model)[-1]
    assert (billed.completed, billed.chunks_sent) == (False, count)
    assert billed.usage["output_tokens"] == 2 * count
    assert billed.usage["input_tokens"] == 100


def test_a_stream_may_stop_until_it_is_released(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-chunks-3-hold-after-1-tag-{tag}"
    body = ask(model, stream=True)
    with http.stream("POST", RESPONSES, json=body) as answer:
        simulator.wait_for(lambda state: state["waiting"] == 1, model=model)
        assert simulator.release(model) == 1
        assert "response.completed" in answer.read().decode()


def test_events_may_be_broken(http: httpx.Client):
    body = ask("sim-malformed-json", stream=True)
    *good, broken = events(http.post(RESPONSES, json=body).text)
    assert json.loads(good[-1])["type"] == "response.output_text.delta"
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)


@pytest.mark.parametrize(
    "words", ["comments", "crlf", "multiline", "glued", "split-bytes-40", "split-utf8"]
)
def test_unusual_streams_are_read_by_the_client(client: Any, words: str):
    stream = list(client.responses.create(**ask(f"sim-{words}-chunks-2"), stream=True))
    assert [event.type for event in stream] == MESSAGE


@pytest.mark.parametrize("stream", [False, True])
def test_openrouter_tells_and_journals_what_a_response_cost(
    simulator: SimulatorProcess, tag: str, stream: bool
):
    model = f"openai/sim-usage-10-5-tag-{tag}"
    said = ask(model, stream=stream)
    text = httpx.post(f"{simulator.openrouter_url}/responses", json=said).text
    shown = json.loads(events(text)[-1])["response"] if stream else json.loads(text)
    usage = shown["usage"]
    assert (usage["cost"], usage["is_byok"]) == (0.000035, False)
    assert usage["cost_details"] == {"upstream_inference_cost": 0.000035}
    billed = simulator.journal(model)[-1]
    assert (billed.api, billed.usage) == ("openrouter.responses", usage)
