"""What a Responses request may ask, what it is held for, and what leaves upstream."""

from decimal import Decimal
from typing import Any

import pytest

from llm.gateway.bounds import input_bound, web_searches_bound
from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation
from tests.llm.responding import ANSWER, TOOL, post


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


def test_the_output_is_bounded_and_all_else_passes(
    installation: Installation, caller: Caller, upstream: Upstream
):
    upstream.say(ANSWER)
    model = model_of(installation, upstream)
    sent = {"reasoning": {"effort": "low"}, "store": False, "tools": [TOOL]}
    answer = post(installation, caller, model=model, **sent)
    assert answer.json() == ANSWER
    asked = upstream.asked[-1]
    assert asked == {
        **sent,
        "input": "hi",
        "model": model.partition("/")[2],
        "max_output_tokens": 4096,
    }


def test_what_a_provider_remembers_is_bounded_by_the_window(
    installation: Installation, caller: Caller, upstream: Upstream
):
    upstream.say(ANSWER)
    model = model_of(installation, upstream)
    before = {"previous_response_id": "resp_0"}
    refused = post(installation, caller, model=model, **before)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "window_unknown"
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure

        slug, _, name = model.partition("/")
        known = model_ensure(provider=Provider.objects.get(slug=slug), name=name)
        known.context_window = 200_000
        known.save()
    installation.caller()
    assert post(installation, caller, model=model, **before).status_code == 200
    assert input_bound(before, 100, window=200_000) == 200_000
    assert input_bound({"input": "hi"}, 100, window=200_000) == 100


def test_pictures_and_documents_in_items_are_bounded():
    def bound(*parts: dict[str, Any], kind: str = "content") -> int:
        return input_bound({"input": [{"role": "user", kind: [*parts]}]}, 5000)

    data = "data:image/png;base64," + "a" * 4000
    picture = {"type": "input_image", "image_url": data}
    assert 8000 < bound(picture) < 10_000
    assert bound(picture, kind="output") == bound(picture)
    assert bound({"type": "input_file", "file_id": "f"}) > 500_000
    assert input_bound({"input": ["text", "text"]}, 100) == 100


def test_web_searches_are_held_for_as_often_as_tools_may_be_called():
    tools = [{"type": "web_search"}]
    assert web_searches_bound({"tools": tools, "max_tool_calls": 3}) == 3
    assert web_searches_bound({"tools": tools}) == 20


def test_web_searches_are_billed_by_what_the_response_lists(
    installation: Installation, caller: Caller, upstream: Upstream
):
    searched = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    upstream.say({**ANSWER, "output": [searched, searched, *ANSWER["output"]]})
    model = model_of(installation, upstream, web_search=Decimal("0.01"))
    tools = [{"type": "web_search"}]
    answer = post(installation, caller, model=model, tools=tools)
    assert Decimal(answer.headers["X-Devora-Cost-Usd"]) == Decimal("0.020025")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{"role": "nobody", "content": "hi"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [7]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
        ),
        ({"input": [{"type": "function_call_output"}]}, "input[0].call_id"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages"),
        ({"instructions": ["hi"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"tools": [{}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "parameters": 7}]}, "tools[0].parameters"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"text": "json"}, "text"),
        ({"metadata": 7}, "metadata"),
        ({"user": "\0"}, "user"),
        ({"api_key": "mine"}, "api_key"),
    ],
    ids=str,
)
def test_what_nobody_could_serve_is_refused_by_its_field(
    installation: Installation, caller: Caller, body: dict[str, Any], param: str
):
    refused = post(installation, caller, model="simulator/sim-instant", **body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
    assert refused.headers["X-Request-Id"]
