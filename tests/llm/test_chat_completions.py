"""One call from agent to ledger, with the client that agents really use."""

import uuid
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

HELLO: Any = [{"role": "user", "content": "Why do tests matter?"}]


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def client(installation: Installation, caller: Caller) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )


def test_the_openai_client_gets_its_answer_and_the_ledger_its_cost(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    model = installation.model("sim-usage-1000-20", input="0.000002", output="0.00001")

    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)

    answer = raw.parse()
    assert answer.usage.prompt_tokens == 1000
    (call,) = installation.calls(caller)
    assert raw.headers["X-Devora-Call-Id"] == str(call["id"])
    assert Decimal(raw.headers["X-Devora-Cost-Usd"]) == Decimal("0.0022")
    assert raw.headers["X-Devora-Cache"] == "off"
    assert raw.headers["X-Devora-Model"] == model
    assert raw.headers["X-Devora-Attempts"] == "1"
    assert (call["cost_usd"], call["status"]) == (Decimal("0.0022"), "ok")
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 20)
    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["cost_usd"]) == ("settled", Decimal("0.0022"))
    assert attempt["raw_usage"]["prompt_tokens"] == 1000


def test_the_simulator_billed_the_attempt_that_the_ledger_names(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    client.chat.completions.create(model="simulator/gpt-5.2", messages=HELLO)

    (attempt,) = installation.attempts(caller)
    (billed,) = [
        line
        for line in installation.journal_lines("billed")
        if line["attempt"] == str(attempt["id"])
    ]
    assert billed["usage"] == attempt["raw_usage"]


def test_a_stream_arrives_whole_and_ends_with_its_cost(
    installation: Installation, caller: Caller
):
    body = {
        "model": installation.model("gpt-5.2"),
        "messages": HELLO,
        "stream": True,
        "max_tokens": 30,
    }
    answer = httpx.post(
        f"{installation.url}/v1/chat/completions", json=body, headers=caller.headers
    )

    events = answer.text.strip().split("\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "data: [DONE]"
    (call,) = installation.calls(caller)
    cost = f"{call['cost_usd']:f}".rstrip("0")
    assert events[-2] == (f': devora {{"call_id":"{call["id"]}","cost_usd":"{cost}"}}')
    assert not any('"choices":[]' in event for event in events)
    assert call["stream"]
    assert call["ttft_ms"] <= call["latency_ms"]


def test_a_stream_that_asks_for_usage_gets_the_cost_with_it(
    client: openai.OpenAI,
):
    stream = client.chat.completions.create(
        model="simulator/gpt-5.2",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=30,
    )

    last = list(stream)[-1].model_dump()
    assert last["usage"]["prompt_tokens"] > 0
    assert Decimal(last["devora"]["cost_usd"]) > 0


def test_a_bare_name_reaches_the_one_provider_that_has_it(client: openai.OpenAI):
    answer = client.chat.completions.create(
        model="gpt-5.2", messages=HELLO, max_tokens=5
    )

    assert answer.choices[0].message.content


def test_an_unknown_model_of_a_known_provider_is_called_unpriced_and_entered(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    name = f"brand-new-{uuid.uuid4().hex[:6]}"
    client.chat.completions.create(model=f"simulator/{name}", messages=HELLO)

    (call,) = installation.calls(caller)
    assert (call["model"], call["cost_usd"]) == (f"simulator/{name}", None)
    query = "SELECT is_active, color_slot FROM llm_model WHERE name = %s"
    wait_until(lambda: bool(installation.rows(query, name)))
    (row,) = installation.rows(query, name)
    assert row["is_active"]
    assert 1 <= row["color_slot"] <= 12


def test_a_model_that_was_never_served_is_not_entered(
    installation: Installation, client: openai.OpenAI
):
    name = f"sim-404-tag-{uuid.uuid4().hex[:6]}"
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model=f"simulator/{name}", messages=HELLO)
    assert installation.rows("SELECT 1 FROM llm_model WHERE name = %s", name) == []


def test_a_model_that_is_switched_off_is_not_called(
    installation: Installation, client: openai.OpenAI
):
    model = installation.model(f"sim-instant-tag-{uuid.uuid4().hex[:6]}")
    with installation.orm():
        from llm.models import Model

        Model.objects.filter(name=model.partition("/")[2]).update(is_active=False)
    installation.caller()  # once a younger key is taken, the change is in force
    with pytest.raises(openai.NotFoundError, match="switched off"):
        client.chat.completions.create(model=model, messages=HELLO)


def test_a_model_without_a_price_is_refused_under_a_hard_budget(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    installation.budget(limit_usd="100", team=caller.team)
    _wait_for_budget(installation, caller, client)


def _wait_for_budget(
    installation: Installation, caller: Caller, client: openai.OpenAI
) -> None:
    def refused() -> bool:
        try:
            client.chat.completions.create(model="simulator/brand-new", messages=HELLO)
        except openai.APIStatusError as error:
            return error.status_code == 402 and error.code == "price_unknown"
        return False

    wait_until(refused)


def test_max_tokens_is_sent_upstream_when_the_request_names_none(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    client.chat.completions.create(model="simulator/gpt-5.2", messages=HELLO)

    (attempt,) = installation.attempts(caller)
    seen = httpx.get(
        f"{installation.simulator_url}/__sim__/requests",
        params={"attempt": str(attempt["id"])},
    ).json()
    assert '"max_tokens":4096' in str(seen).replace(" ", "").replace("'", '"')


def test_what_was_said_is_kept_beside_the_numbers(
    installation: Installation, caller: Caller, client: openai.OpenAI
):
    client.chat.completions.create(model="simulator/gpt-5.2", messages=HELLO)

    (call,) = installation.calls(caller)
    query = "SELECT request, response FROM llm_content WHERE call_id = %s"
    wait_until(lambda: bool(installation.rows(query, call["id"])))
    (content,) = installation.rows(query, call["id"])
    assert "Why do tests matter?" in content["request"]
    assert '"choices"' in content["response"]


def test_the_models_list_names_what_can_be_called(client: openai.OpenAI):
    assert "simulator/gpt-5.2" in [model.id for model in client.models.list()]
