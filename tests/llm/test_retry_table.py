"""Every way a provider can fail, row by row: what it costs, who is asked, what is told.

The simulator's own file is the judge of how often it was asked.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

HELLO = [{"role": "user", "content": "hi"}]


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, "max_tokens": 10, **fields},
        headers=caller.headers,
        timeout=60,
    )


@dataclass(frozen=True)
class Row:
    """words: the simulator's. code: None where the provider's own is handed on."""

    words: str
    status: int
    code: str | None
    retried: bool = False
    falls_back: bool = True
    state: str = "settled"


ROWS = [
    Row("400", 400, None, falls_back=False),
    Row("413", 413, None, falls_back=False),
    Row("422", 422, None, falls_back=False),
    Row("context-length", 400, "context_length_exceeded", falls_back=False),
    Row("content-filter", 400, "content_filter", falls_back=False),
    Row("401", 502, "provider_auth_failed"),
    Row("402", 502, "provider_credit_exhausted"),
    Row("403", 502, "provider_auth_failed"),
    Row("404", 502, "provider_model_missing"),
    Row("quota", 502, "provider_credit_exhausted"),
    Row("spend-limit", 502, "provider_credit_exhausted"),
    Row("408", 502, "provider_error", retried=True),
    Row("409", 502, "provider_error", retried=True),
    Row("500", 502, "provider_error", retried=True),
    Row("503", 503, "provider_overloaded", retried=True),
    Row("529", 503, "provider_overloaded", retried=True),
    Row("429", 429, "provider_rate_limited", retried=True),
    Row("429-retry-1", 429, "provider_rate_limited", retried=True),
    Row("429-retry-31", 429, "provider_rate_limited"),
    Row("502", 502, "provider_bad_gateway", falls_back=False, state="unknown"),
    Row("504", 504, "provider_timeout", falls_back=False, state="unknown"),
    Row("reset", 502, "billing_unknown", falls_back=False, state="unknown"),
]
JSON_ROWS = [
    Row("html", 502, "provider_bad_response", falls_back=False, state="unknown"),
    Row("malformed-json", 502, "provider_bad_response", False, False, "unknown"),
    Row("empty-choices", 502, "provider_bad_response", False, False, "unknown"),
    Row("short-body", 502, "billing_unknown", falls_back=False, state="unknown"),
]
STREAM_ROWS = [
    Row("sse-error-after-0", 502, "provider_error", retried=True),
]
CASES = [
    *((row, stream) for row in ROWS for stream in (False, True)),
    *((row, False) for row in JSON_ROWS),
    *((row, True) for row in STREAM_ROWS),
]
ALL = pytest.mark.parametrize(
    ("row", "stream"),
    CASES,
    ids=[f"{row.words}-{'stream' if stream else 'json'}" for row, stream in CASES],
)


def failing(installation: Installation, row: Row) -> Any:
    """Make a model and a provider of their own: no other test's failures count there."""
    with installation.orm():
        from costs.models import Price
        from llm.services import model_ensure

        provider = make_provider(installation)
        model = model_ensure(provider=provider, name=f"sim-{row.words}")
        Price.objects.create(
            model=f"{provider.slug}/{model.name}",
            input=Decimal("0.000001"),
            output=Decimal("0.00001"),
            valid_from=dt.datetime.now(dt.UTC),
            source="test",
        )
    installation.caller()  # once a younger key is taken, the model is known
    return model


def make_provider(installation: Installation, url: str = "") -> Any:
    from llm.services import provider_ensure

    return provider_ensure(
        slug=f"provider-{uuid.uuid4().hex[:8]}",
        kind="compatible",
        base_url=url or f"{installation.simulator_url}/v1",
        secret="x",
        from_environment=True,
    )


@ALL
def test_a_failure_is_answered_billed_and_retried_as_its_row_says(
    installation: Installation, row: Row, stream: bool
):
    caller = installation.caller()
    model = failing(installation, row)

    answer = ask(installation, caller, str(model), stream=stream)

    assert answer.status_code == row.status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    if row.code:
        assert error["code"] == row.code
    (call,) = installation.calls(caller)
    assert call["http_status"] == row.status
    attempts = installation.attempts(caller)
    assert {each["state"] for each in attempts} == {row.state}
    for each in attempts:
        assert (each["cost_usd"] > 0) == (row.state == "unknown" or "sse" in row.words)
    assert len(attempts) == call["attempts"]
    if row.retried:
        assert 2 <= len(attempts) <= 3
    else:
        assert len(attempts) == 1
    if row.status == 429:
        wanted = row.words.partition("retry-")[2] or "1"
        assert answer.headers["Retry-After"] == wanted


@ALL
def test_the_next_target_serves_where_that_cannot_pay_twice(
    installation: Installation, row: Row, stream: bool
):
    caller = installation.caller()
    first = failing(installation, row)
    route = route_over(installation, first)

    answer = ask(installation, caller, route, stream=stream)

    attempts = installation.attempts(caller, count=2 if row.falls_back else 1)
    models = [each["model"] for each in attempts]
    if row.falls_back:
        assert answer.status_code == 200
        assert answer.headers["X-Devora-Model"] == "simulator/sim-instant"
        assert answer.headers["X-Devora-Attempts"] == "2"
        assert models == [str(first), "simulator/sim-instant"]
    else:
        assert answer.status_code == row.status
        assert models == [str(first)]


def route_over(installation: Installation, first: Any) -> str:
    """Make a route over a model and one that is well, and wait until it is in force."""
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure, route_ensure

        simulator = Provider.objects.get(slug="simulator")
        well = model_ensure(provider=simulator, name="sim-instant")
        route = route_ensure(
            slug=f"route-{uuid.uuid4().hex[:8]}", targets=[first, well]
        )
    installation.caller()
    return route.slug


def test_a_failure_that_passes_is_not_seen_by_the_agent(installation: Installation):
    caller = installation.caller()
    model = installation.model(f"sim-503-times-1-tag-{uuid.uuid4().hex[:8]}")

    answer = ask(installation, caller, model)

    assert answer.status_code == 200
    assert answer.headers["X-Devora-Attempts"] == "2"
    first, second = installation.attempts(caller, count=2)
    assert (first["http_status"], second["http_status"]) == (503, 200)


def test_nobody_is_asked_earlier_than_he_told(installation: Installation):
    caller = installation.caller()
    name = f"sim-429-retry-1-times-1-tag-{uuid.uuid4().hex[:8]}"

    answer = ask(installation, caller, installation.model(name))

    assert answer.status_code == 200
    refused, served = [
        line
        for line in installation.journal_lines("refused")
        + installation.journal_lines("accepted")
        if line["model"] == name
    ]
    assert seconds(served["at"]) - seconds(refused["at"]) >= 1.0


def seconds(moment: str) -> float:
    return dt.datetime.fromisoformat(moment).timestamp()


def test_an_unreachable_provider_costs_nothing_and_is_asked_again(
    installation: Installation,
):
    caller = installation.caller()
    with installation.orm():
        slug = make_provider(installation, "http://127.0.0.1:9/v1").slug
    installation.caller()

    answer = ask(installation, caller, f"{slug}/model")

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "provider_unreachable"
    attempts = installation.attempts(caller, count=3)
    assert {each["state"] for each in attempts} == {"released"}
    assert not any(each["cost_usd"] for each in attempts)


def test_after_five_failures_a_target_is_left_alone(installation: Installation):
    caller = installation.caller()
    name = f"sim-500-tag-{uuid.uuid4().hex[:8]}"
    model = installation.model(name)

    codes = [ask(installation, caller, model).json()["error"]["code"] for _ in range(9)]

    assert codes[0] == "provider_error"
    assert codes[-1] == "provider_unavailable"
    asked = [
        line for line in installation.journal_lines("refused") if line["model"] == name
    ]
    assert len(asked) == 5
    (row,) = installation.rows(
        "SELECT state, reason FROM llm_breaker WHERE target = %s", model
    )
    assert row == {"state": "open", "reason": "provider_error"}
    last = ask(installation, caller, model)
    assert last.status_code == 503
    assert 1 <= int(last.headers["Retry-After"]) <= 5


def test_what_another_process_learned_counts_within_a_second(
    installation: Installation,
):
    caller = installation.caller()
    name = f"sim-instant-tag-{uuid.uuid4().hex[:8]}"
    model = installation.model(name)
    assert ask(installation, caller, model).status_code == 200
    with installation.orm():
        from llm.models import Breaker

        Breaker.objects.create(target=model, state="open", changed_by=uuid.uuid4())

    wait_until(lambda: ask(installation, caller, model).status_code == 503)

    with installation.orm():
        Breaker.objects.filter(target=model).update(forced="closed")
    wait_until(lambda: ask(installation, caller, model).status_code == 200)


def test_a_refused_credential_is_the_last_resort(installation: Installation):
    caller = installation.caller()
    locked = failing(installation, Row("401", 502, "provider_auth_failed"))
    route = route_over(installation, locked)

    first, second = (ask(installation, caller, route) for _ in range(2))

    assert first.headers["X-Devora-Attempts"] == "2"
    assert second.headers["X-Devora-Attempts"] == "1"
    alone = ask(installation, caller, str(locked))
    assert alone.json()["error"]["code"] == "provider_auth_failed"
