"""Calls by way of OpenRouter cost what it says; the simulator's file is the judge."""

import datetime as dt
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation, wait_until

HELLO = [{"role": "user", "content": "hi"}]
NINE_PLACES = Decimal("0.000000001")


@pytest.fixture(scope="module")
def router(installation: Installation) -> str:
    """Make a provider of OpenRouter's kind; return its slug."""
    slug = f"router-{uuid.uuid4().hex[:8]}"
    with installation.orm():
        from llm.services import provider_ensure

        provider_ensure(
            slug=slug,
            kind="openrouter",
            base_url=f"{installation.simulator_url}/api/v1",
            secret="sk-or-x",
            from_environment=True,
        )
    return slug


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller(scopes=["call", "read"])


def price(installation: Installation, model: str, *, input: str, output: str) -> None:
    """Give a model a price of ours."""
    with installation.orm():
        from costs.models import Price

        Price.objects.create(
            model=model,
            input=Decimal(input),
            output=Decimal(output),
            valid_from=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1),
            source="test",
        )
    installation.caller()  # once a younger key is taken, the price is known


def named(router: str, words: str) -> str:
    return f"{router}/openai/sim-{words}-tag-{uuid.uuid4().hex[:8]}"


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, "max_tokens": 20, **fields},
        headers=caller.headers,
        timeout=60,
    )


def billed(installation: Installation, attempt: Mapping[str, Any]) -> Decimal:
    """Return what the simulator would have billed an attempt."""
    (usage,) = (
        line["usage"]
        for line in installation.journal_lines("billed")
        if line["attempt"] == str(attempt["id"])
    )
    total = Decimal(str(usage["cost"]))
    if usage["is_byok"]:
        total += Decimal(str(usage["cost_details"]["upstream_inference_cost"]))
    return total.quantize(NINE_PLACES)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("words", "usd"),
    [
        ("usage-1000-10", "0.00105"),
        ("usage-1000-10-cost-0.0123456789123", "0.012345679"),
        ("usage-1000-10-byok-0.02", "0.021"),
        ("usage-1000-10-cost-0", "0"),
    ],
)
def test_a_call_costs_what_the_provider_says_also_without_a_price(
    installation: Installation,
    router: str,
    caller: Caller,
    words: str,
    usd: str,
    stream: bool,
):
    answer = ask(installation, caller, named(router, words), stream=stream)
    assert answer.status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal(usd) == billed(installation, attempt)
    assert (attempt["book_usd"], attempt["anomaly"]) == (None, "")
    assert not attempt["estimated"]
    assert attempt["raw_usage"]["cost_details"]
    (call,) = installation.calls(caller)
    assert call["cost_usd"] == Decimal(usd)
    told = answer.text if stream else answer.headers["X-Devora-Cost-Usd"]
    assert (f'"cost_usd":"{usd}"' if stream else usd) in told


def test_our_price_stands_beside_the_bill(
    installation: Installation, router: str, caller: Caller
):
    model = named(router, "usage-1000-10-cost-0.0011")
    price(installation, model, input="0.000001", output="0.00001")
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.0011")
    assert attempt["book_usd"] == Decimal("0.0011")
    assert attempt["anomaly"] == ""


def test_a_bill_far_from_our_price_is_charged_and_flagged(
    installation: Installation, router: str, caller: Caller
):
    model = named(router, "usage-1000-10-cost-0.005")
    price(installation, model, input="0.000001", output="0.00001")
    budget = installation.budget(limit_usd="1", team=caller.team)
    assert ask(installation, caller, model).status_code == 200
    (call,) = installation.calls(caller)
    assert (call["cost_usd"], call["anomaly"]) == (Decimal("0.005"), "bill_differs")
    (attempt,) = installation.attempts(caller)
    assert attempt["book_usd"] == Decimal("0.0011")
    spent = "SELECT spent, held FROM costs_counter WHERE budget_id = %s"
    wait_until(
        lambda: (
            installation.rows(spent, budget) == [{"spent": Decimal("0.005"), "held": 0}]
        )
    )
    url = f"{installation.url}/api/v1/calls/{call['id']}/"
    (tried,) = httpx.get(url, headers=caller.headers).json()["tries"]
    assert (tried["cost_usd"], tried["book_usd"]) == ("0.005", "0.0011")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("word", "anomaly"),
    [
        ("no-cost", "bill_missing"),
        ("bad-cost-negative", "bill_invalid"),
        ("bad-cost-string", "bill_invalid"),
        ("bad-cost-huge", "bill_above_bounds"),
    ],
)
def test_our_price_stands_in_for_a_bill_that_cannot_be_true(
    installation: Installation,
    router: str,
    caller: Caller,
    word: str,
    anomaly: str,
    stream: bool,
):
    model = named(router, f"usage-1000-10-{word}")
    price(installation, model, input="0.000002", output="0.00001")
    assert ask(installation, caller, model, stream=stream).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.0021") >= billed(installation, attempt)
    assert (attempt["anomaly"], attempt["estimated"]) == (anomaly, True)
    assert attempt["book_usd"] is None


def test_without_a_price_a_bill_that_cannot_be_true_leaves_the_cost_unknown(
    installation: Installation, router: str, caller: Caller
):
    model = named(router, "usage-1000-10-bad-cost-huge")
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] is None
    assert attempt["anomaly"] == "bill_above_bounds"


def test_the_worst_case_is_held_by_our_price_whatever_was_billed_before(
    installation: Installation, router: str, caller: Caller
):
    model = named(router, "usage-10-10-cost-0.0001")
    price(installation, model, input="0", output="0.001")
    installation.budget(limit_usd="0.015", team=caller.team)
    refused = ask(installation, caller, model)  # twenty tokens could cost 0.02
    assert refused.status_code == 402
    assert ask(installation, caller, model, max_tokens=15).status_code == 200


def test_a_stream_that_is_broken_off_is_estimated_by_our_price(
    installation: Installation, router: str, caller: Caller
):
    model = named(router, "usage-1000-10-chunks-5-cut-stream-after-2")
    price(installation, model, input="0.000001", output="0.00001")
    assert ask(installation, caller, model, stream=True).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["estimated"]
    assert attempt["anomaly"] == ""
    assert 0 < attempt["cost_usd"] < Decimal("0.01")


def test_messages_clients_and_embeddings_cost_what_the_provider_says(
    installation: Installation, router: str, caller: Caller
):
    client: Any
    said = {"messages": HELLO, "max_tokens": 20}
    with anthropic.Anthropic(
        base_url=installation.url, api_key=caller.key, max_retries=0
    ) as client:
        for stream in (False, True):
            model = named(router, "usage-1000-10-cost-0.125")
            answer = client.messages.create(model=model, **said, stream=stream)
            if stream:
                assert list(answer)
    embedded = httpx.post(
        f"{installation.url}/v1/embeddings",
        json={"model": named(router, "usage-2000-0"), "input": "hi"},
        headers=caller.headers,
    )
    assert embedded.status_code == 200
    costs = [each["cost_usd"] for each in installation.attempts(caller, count=3)]
    assert costs == [Decimal("0.125"), Decimal("0.125"), Decimal("0.002")]


def test_a_client_that_asks_for_the_usage_gets_our_cost_with_it(
    installation: Installation, router: str, caller: Caller
):
    client: Any
    with openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    ) as client:
        chunks = list(
            client.chat.completions.create(
                model=named(router, "usage-1000-10-byok-0.02"),
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert chunks[-1].model_extra["devora"]["cost_usd"] == "0.021"
    assert chunks[-1].usage.prompt_tokens == 1000
    assert sum(1 for chunk in chunks if chunk.usage) == 1


def test_other_providers_are_not_believed_a_cost(
    installation: Installation, caller: Caller
):
    model = installation.model("sim-usage-1000-10-cost-0.5", input="0", output="0.001")
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert (attempt["cost_usd"], attempt["book_usd"]) == (Decimal("0.01"), None)


def test_usage_comes_without_being_asked_for(
    installation: Installation, caller: Caller, upstream: Upstream
):
    model = model_of(installation, upstream, kind="openrouter")
    upstream.say({"choices": [{"index": 0, "message": {"content": "hello"}}]})
    ask(installation, caller, model, usage={"include": False})
    ask(installation, caller, model)
    chosen, usual = upstream.asked
    assert chosen["usage"] == {"include": False}  # passes as any other field does
    assert "usage" not in usual


@pytest.mark.parametrize("field", ["models", "route"])
def test_another_model_cannot_be_named_beside_the_one_that_is_held_for(
    installation: Installation, router: str, caller: Caller, field: str
):
    model = named(router, "instant")
    answer = ask(installation, caller, model, **{field: ["dear/model"]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
