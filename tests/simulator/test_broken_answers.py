"""Models whose answers are broken: bodies, usage, connections."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import chat

CHAT = "/v1/chat/completions"


def test_html_comes_with_status_200(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-html"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_malformed_json_is_cut_short(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-malformed-json"))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_choices_may_be_empty(http: httpx.Client):
    assert http.post(CHAT, json=chat("sim-empty-choices")).json()["choices"] == []
    message = {**chat("sim-empty-choices"), "max_tokens": 9}
    assert http.post("/v1/messages", json=message).json()["content"] == []


def test_usage_may_be_absent_and_is_billed_all_the_same(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-no-usage-usage-40-8-tag-{tag}"
    assert "usage" not in http.post(CHAT, json=chat(model)).json()
    assert simulator.journal(model)[-1].usage["total_tokens"] == 48


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("", {-5, "many", 10**18}),
        ("-negative", {-5}),
        ("-string", {"many"}),
        ("-huge", {10**18}),
    ],
)
def test_usage_may_be_absurd(http: httpx.Client, kind: str, values: set[object]):
    usage = http.post(CHAT, json=chat(f"sim-bad-usage{kind}")).json()["usage"]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert {usage[name] for name in names} == values


def test_usage_is_exactly_what_the_name_says(client: Any):
    model = "sim-usage-1000-20-cached-512-reasoning-8"
    usage = client.chat.completions.create(**chat(model, max_tokens=1)).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 20)
    assert usage.prompt_tokens_details.cached_tokens == 512
    assert usage.completion_tokens_details.reasoning_tokens == 8


def test_ids_may_repeat(http: httpx.Client):
    ids = {http.post(CHAT, json=chat("sim-same-id")).json()["id"] for _ in range(3)}
    assert len(ids) == 1


def test_arguments_of_a_tool_may_be_broken(http: httpx.Client):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "x", "parameters": schema}}
    body = chat("sim-broken-arguments", tools=[tool], tool_choice="required")
    (call,) = http.post(CHAT, json=body).json()["choices"][0]["message"]["tool_calls"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(call["function"]["arguments"])


def test_a_body_may_be_huge(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-huge-body-3"))
    assert len(answer.content) > 3 << 20
    assert answer.json()["choices"]


def test_a_small_body_may_inflate(http: httpx.Client):
    with http.stream("POST", CHAT, json=chat("sim-gzip-bomb-5")) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 100_000
    assert len(http.post(CHAT, json=chat("sim-gzip-bomb-5")).content) > 5 << 20


def test_the_clock_may_be_wrong(http: httpx.Client):
    assert "date" in http.post(CHAT, json=chat("sim-clock-skew")).headers


def test_a_reset_is_a_reset(simulator: SimulatorProcess, http: httpx.Client, tag: str):
    model = f"sim-reset-usage-40-8-tag-{tag}"
    for stream in (False, True):
        with pytest.raises(httpx.ReadError):
            http.post(CHAT, json=chat(model, stream=stream))
    _, billed, *_ = simulator.journal(model)
    assert billed.usage["total_tokens"] == 40
    assert (billed.completed, billed.client_gone) == (False, False)


@pytest.mark.parametrize("model", ["sim-short-body", "sim-cut-stream-after-1"])
def test_a_json_body_may_be_shorter_than_promised(
    simulator: SimulatorProcess, http: httpx.Client, model: str
):
    with pytest.raises(httpx.RemoteProtocolError):
        http.post(CHAT, json=chat(model))
    billed = simulator.journal(model)[-1]
    assert (billed.event, billed.completed) == ("billed", False)
    assert billed.usage["completion_tokens"] > 0


def test_the_first_byte_may_be_slow(http: httpx.Client):
    with pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=chat("sim-slow-first-byte-5"), timeout=0.2)
    answer = http.post(CHAT, json=chat("sim-slow-first-byte-0.05"))
    assert answer.elapsed.total_seconds() >= 0.05


def test_embeddings_misbehave_too(http: httpx.Client):
    def embed(model: str) -> httpx.Response:
        return http.post("/v1/embeddings", json={"model": model, "input": "red"})

    assert embed("sim-429").status_code == 429
    assert embed("sim-usage-9-0").json()["usage"]["total_tokens"] == 9
    assert embed("sim-empty-choices").json()["data"] == []
    assert "usage" not in embed("sim-no-usage").json()
