"""What a provider bills beside tokens: searches of the web, and where it worked."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation

HELLO = [{"role": "user", "content": "hi"}]
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FEE = Decimal("0.01")
TOKENS = Decimal("0.00015")  # a hundred in, five out


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    path = fields.pop("path", "chat/completions")
    return httpx.post(
        f"{installation.url}/v1/{path}",
        json={"model": model, "messages": HELLO, "max_tokens": 5, **fields},
        headers=caller.headers,
        timeout=60,
    )


def completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": "hello"}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    return {"choices": [{"index": 0, "message": message}], "usage": usage}


def message(**usage: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 5, **usage},
    }


def test_a_search_that_openai_is_asked_for_is_billed(
    installation: Installation, caller: Caller, upstream: Upstream
):
    model = model_of(installation, upstream, kind="openai", web_search=FEE)
    upstream.say(completion())
    assert ask(installation, caller, model).status_code == 200
    assert ask(installation, caller, model, web_search_options={}).status_code == 200
    costs = [each["cost_usd"] for each in installation.attempts(caller, count=2)]
    assert costs == [TOKENS, TOKENS + FEE]


@pytest.mark.parametrize("path", ["messages", "chat/completions"])
def test_every_search_that_anthropic_made_is_billed(
    installation: Installation, caller: Caller, upstream: Upstream, path: str
):
    model = model_of(installation, upstream, kind="anthropic", web_search=FEE)
    upstream.say(message(server_tool_use={"web_search_requests": 2}))
    assert ask(installation, caller, model, path=path).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == TOKENS + 2 * FEE


def test_searches_of_a_stream_are_counted_at_its_end(
    installation: Installation, caller: Caller, upstream: Upstream
):
    model = model_of(installation, upstream, kind="anthropic", web_search=FEE)
    searched = {"web_search_requests": 3}
    upstream.say_stream(
        {"type": "message_start", "message": message()},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 5, "server_tool_use": searched},
        },
        {"type": "message_stop"},
    )
    answer = ask(installation, caller, model, path="messages", stream=True)
    assert answer.status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == TOKENS + 3 * FEE


@pytest.mark.parametrize(
    ("kind", "asked", "most"),
    [
        ("openai", {"web_search_options": {}}, 1),
        ("anthropic", {"path": "messages", "tools": [{**SEARCH, "max_uses": 3}]}, 3),
        ("anthropic", {"path": "messages", "tools": [SEARCH]}, 20),
    ],
)
def test_all_searches_that_may_be_made_are_held_for(
    installation: Installation,
    caller: Caller,
    upstream: Upstream,
    kind: str,
    asked: dict[str, Any],
    most: int,
):
    model = model_of(installation, upstream, kind=kind, web_search=FEE)
    upstream.say(message() if kind == "anthropic" else completion())
    installation.budget(limit_usd=str(most * FEE), team=caller.team)
    # The fees alone would fit, with the tokens they do not.
    assert ask(installation, caller, model, **asked).status_code == 402
    installation.budget(limit_usd=str(most * FEE + FEE), agent=caller.agent)
    with installation.orm():
        from costs.models import Budget

        Budget.objects.filter(team=caller.team).delete()
    installation.caller()  # once a younger key is taken, the budget is gone
    assert ask(installation, caller, model, **asked).status_code == 200


@pytest.mark.parametrize(
    ("geo", "cost"),
    [("us", TOKENS * Decimal("1.1")), ("global", TOKENS), (None, TOKENS), (7, TOKENS)],
)
@pytest.mark.parametrize("path", ["messages", "chat/completions"])
def test_a_region_that_costs_more_is_billed_so(
    installation: Installation,
    caller: Caller,
    upstream: Upstream,
    path: str,
    geo: Any,
    cost: Decimal,
):
    model = model_of(
        installation,
        upstream,
        kind="anthropic",
        schedule={"geo_multiplier": {"us": "1.1"}},
    )
    upstream.say(message(inference_geo=geo))
    assert ask(installation, caller, model, path=path).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["cost_usd"] == cost
