"""Answers that make no sense: never a 500, never more than what was set aside."""

import json
import uuid
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation

HELLO = [{"role": "user", "content": "hi"}]
GOOD: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
_NESTED: Any = 1
for _ in range(300):
    _NESTED = [_NESTED]


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def model(installation: Installation, upstream: Upstream) -> str:
    return model_of(installation, upstream)


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, "max_tokens": 10, **fields},
        headers=caller.headers,
        timeout=60,
    )


@pytest.mark.parametrize(
    "answer",
    [
        {**GOOD, "choices": 5},
        {**GOOD, "choices": True},
        {**GOOD, "choices": [{"message": {"tool_calls": 5}}]},
        [],
        5,
        b"\xff\xfe",
        b"",
    ],
    ids=repr,
)
def test_a_shape_that_makes_no_sense_is_a_bad_gateway(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    answer: Any,
):
    upstream.say(answer)
    told = ask(installation, caller, model)
    assert told.status_code == 502
    assert told.json()["error"]["code"] == "provider_bad_response"
    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["error_code"]) == (
        "unknown",
        "provider_bad_response",
    )


@pytest.mark.parametrize(
    "chunk",
    [{"choices": 5}, {"choices": [{"delta": {"tool_calls": 5}}]}, [], 7],
    ids=repr,
)
def test_a_chunk_that_makes_no_sense_ends_the_stream_in_words(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    chunk: Any,
):
    upstream.say_stream({"choices": [{"delta": {"content": "hello"}}]}, chunk)
    told = ask(installation, caller, model, stream=True)
    assert told.status_code == 200
    assert '"finish_reason":"error"' in told.text
    assert "[DONE]" not in told.text
    (attempt,) = installation.attempts(caller)
    assert attempt["error_code"] == "stream_broken"
    assert attempt["estimated"]
    # What it costs is said all the same.
    comment = next(it for it in told.text.splitlines() if it.startswith(": devora "))
    facts = json.loads(comment.removeprefix(": devora "))
    assert Decimal(facts["cost_usd"]) == attempt["cost_usd"] > 0
    assert facts["call_id"] == told.headers["X-Devora-Call-Id"]


def test_a_stream_without_a_choice_is_a_bad_gateway(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    upstream.say_stream({"choices": [], "usage": GOOD["usage"]})
    told = ask(installation, caller, model, stream=True)
    assert told.status_code == 502
    assert told.json()["error"]["code"] == "provider_bad_response"
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.000025")  # it was told all the same


def test_html_in_place_of_a_stream_is_no_answer(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    upstream.say(b"<html><body>\n\nhello\n\n</body></html>")
    upstream.headers = {"Content-Type": "text/html"}
    told = ask(installation, caller, model, stream=True)
    assert told.status_code == 502
    assert told.json()["error"]["code"] == "provider_bad_response"
    (attempt,) = installation.attempts(caller)
    assert attempt["state"] == "unknown"


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_failure_that_tells_its_usage_is_billed_by_it(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    status: int,
):
    upstream.say({"error": {"message": "no"}, "usage": GOOD["usage"]}, status=status)
    assert ask(installation, caller, model).status_code in (502, 504)
    for attempt in installation.attempts(caller):
        assert (attempt["state"], attempt["http_status"]) == ("settled", status)
        assert attempt["cost_usd"] == Decimal("0.000025")
        assert not attempt["estimated"]


@pytest.mark.parametrize("usage", [{"prompt_tokens": -1}, [5], "much"], ids=repr)
def test_a_failure_that_tells_nonsense_costs_what_its_status_says(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    usage: Any,
):
    upstream.say({"error": {"message": "no"}, "usage": usage}, status=404)
    assert ask(installation, caller, model).status_code == 502
    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["cost_usd"]) == ("settled", 0)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 5_000_000},
        {"prompt_tokens": 19_000_000, "completion_tokens": 2},
        {"prompt_tokens": -5, "completion_tokens": 2},
        {"prompt_tokens": "5", "completion_tokens": 2},
        {"prompt_tokens": 10**18, "completion_tokens": 10**18},
        {"prompt_tokens": 5.5, "completion_tokens": 2},
        {"prompt_tokens": 5, "completion_tokens": None, "x": _NESTED},
        {"prompt_tokens": True, "completion_tokens": 2},
        [],
        "5",
    ],
    ids=lambda usage: repr(usage)[:60],
)
def test_usage_that_cannot_be_true_is_bounded_and_flagged(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    usage: Any,
):
    upstream.say({**GOOD, "usage": usage})
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["estimated"]
    assert 0 < attempt["output_tokens"] <= 10
    assert 0 < attempt["input_tokens"] < 25_000


def test_parts_of_a_usage_count_once(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    details = {"cached_tokens": 50, "cache_write_tokens": 50, "audio_tokens": 50}
    usage = {
        "prompt_tokens": 60,
        "completion_tokens": 2,
        "prompt_tokens_details": details,
    }
    upstream.say({**GOOD, "usage": usage})
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == Decimal("0.00008")


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        ({"error": {"code": ["x"]}}, {}),
        ({"error": "no"}, {}),
        ([1], {}),
        ({"error": {}}, {"Retry-After": "\u00b2"}),
        ({"error": {}}, {"Retry-After": "-5"}),
        ({"error": {}}, {"Retry-After": "nan"}),
    ],
)
def test_an_odd_refusal_is_a_refusal(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    error: Any,
    headers: dict[str, str],
):
    upstream.say(error, status=429, **headers)
    told = ask(installation, caller, model)
    assert told.status_code == 429
    assert told.headers["Retry-After"] == "1"


def test_a_request_that_never_left_costs_nothing(
    installation: Installation, caller: Caller
):
    """The operator has taken the inner address off the list: the row stays behind."""
    from django.utils import timezone

    slug = f"inner-{uuid.uuid4().hex[:8]}"
    with installation.orm():
        from costs.models import Price
        from llm.models import Provider

        Provider.objects.create(
            slug=slug,
            name=slug,
            kind="compatible",
            base_url="http://127.0.0.1:9/v1",
            internal_allowed=False,
        )
        Price.objects.create(
            model=f"{slug}/m",
            input=1,
            output=1,
            valid_from=timezone.now(),
            source="test",
        )
    installation.caller()
    told = ask(installation, caller, f"{slug}/m")
    assert told.status_code == 502
    assert told.json()["error"]["code"] == "provider_unreachable"
    attempts = installation.attempts(caller)
    assert {each["state"] for each in attempts} == {"released"}
    assert {each["cost_usd"] for each in attempts} == {Decimal(0)}


def test_a_fallback_fits_into_what_the_first_target_held(
    installation: Installation, caller: Caller
):
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure, route_ensure

        simulator = Provider.objects.get(slug="simulator")
        names = (f"sim-404-tag-{uuid.uuid4().hex[:6]}", "sim-usage-10-10-tag-fits")
        targets = [model_ensure(provider=simulator, name=name) for name in names]
        route = route_ensure(slug=f"fits-{uuid.uuid4().hex[:6]}", targets=targets)
    for name in names:
        installation.model(name, input="0", output="0.0001")
    # One worst case of ten tokens fits, and not two.
    installation.budget(limit_usd="0.0015", team=caller.team)
    answer = ask(installation, caller, route.slug)
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Attempts"] == "2"


@pytest.mark.parametrize("role", [[], {}, ["user"], 5, None])
def test_a_role_of_any_type_is_refused(
    installation: Installation, caller: Caller, role: Any
):
    answer = ask(installation, caller, "x/y", messages=[{"role": role, "content": "a"}])
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages[0].role"
    (call,) = installation.calls(caller)
    assert (call["agent"], call["team"]) == (caller.agent, caller.team)


@pytest.mark.parametrize("path", ["//v1/chat/completions", "/V1/chat/completions"])
def test_an_address_nearly_ours_is_told_in_json(installation: Installation, path: str):
    answer = httpx.post(f"{installation.url}{path}", json={})
    assert answer.status_code in (401, 404)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["X-Request-Id"]


def test_millions_of_values_are_refused_at_once(
    installation: Installation, caller: Caller
):
    many = b'{"model": "x/y", "messages": [' + b'{"a":1},' * 200_000 + b"{}]}"
    answer = httpx.post(
        f"{installation.url}/v1/chat/completions", content=many, headers=caller.headers
    )
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["code"] == "payload_too_large"


FUNCTION = {"name": "f", "parameters": "x"}


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("chat/completions", {"tools": ["x"]}, "tools[0]"),
        (
            "chat/completions",
            {"tools": [{"type": "function", "function": FUNCTION}]},
            "tools[0].function.parameters",
        ),
        ("chat/completions", {"tools": [{"max_uses": -1}]}, "tools[0].max_uses"),
        ("messages", {"tools": [{"max_uses": 10**14}]}, "tools[0].max_uses"),
        ("embeddings", {"messages": 5}, "messages"),
        ("embeddings", {"messages": ["x"]}, "messages"),
        ("embeddings", {"tools": 5}, "tools"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_costs_anything(
    installation: Installation, caller: Caller, path: str, fields: Any, param: str
):
    body = {"model": "simulator/sim-instant", "max_tokens": 5}
    if path == "embeddings":
        body |= {"input": "x"}
    else:
        body |= {"messages": [{"role": "user", "content": "x"}]}
    answer = httpx.post(
        f"{installation.url}/v1/{path}", json={**body, **fields}, headers=caller.headers
    )
    assert answer.status_code == 400
    assert param in answer.text
