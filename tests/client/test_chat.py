"""A chat call: what goes over the wire, and what comes of the answer."""

from decimal import Decimal

import httpx
import pytest

from devora_ops.client import InvalidResponse, Usage
from tests.client.gateway import KEY, URL, Gateway, completion


def test_a_string_is_one_user_message(ask):
    gateway = Gateway(completion())
    ask(gateway, "chat", "Say hello.", model="smart", temperature=0.2)
    request = gateway.requests[0]
    assert (request.method, str(request.url)) == ("POST", f"{URL}/v1/chat/completions")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["User-Agent"].startswith("devora-ops-client/")
    assert gateway.body == {
        "model": "smart",
        "messages": [{"role": "user", "content": "Say hello."}],
        "temperature": 0.2,
    }


def test_a_prompt_is_asked_for_by_its_name_with_variables_unit_and_user(ask):
    gateway = Gateway(completion())
    ask(
        gateway,
        "chat",
        prompt="support@staging",
        variables={"name": "Ada"},
        unit="unit-1",
        user="user-1",
    )
    assert gateway.body == {
        "model": "prompt:support@staging",
        "messages": [],
        "variables": {"name": "Ada"},
        "unit": "unit-1",
        "user": "user-1",
    }


def test_messages_may_follow_a_prompt(ask):
    gateway = Gateway(completion())
    conversation = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    ask(gateway, "chat", conversation, prompt="prompt:support")
    assert gateway.body == {"model": "prompt:support", "messages": conversation}


def test_what_has_no_keyword_goes_into_the_body_as_it_is(ask):
    gateway = Gateway(completion())
    ask(
        gateway,
        "chat",
        "Hi",
        model="smart",
        verbosity="low",
        max_tokens=None,
        extra_body={"stop": None, "plugins": [1]},
    )
    assert gateway.body["verbosity"] == "low"
    assert gateway.body["stop"] is None
    assert gateway.body["plugins"] == [1]
    assert "max_tokens" not in gateway.body


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, None), ({"use_cache": True}, "use"), ({"use_cache": False}, "no-cache")],
)
def test_only_a_refused_cache_is_said(ask, options, said):
    gateway = Gateway(completion())
    ask(gateway, "chat", "Hi", model="smart", **options)
    assert gateway.requests[0].headers.get("X-Devora-Cache-Control") == said
    assert "use_cache" not in gateway.body


def test_the_answer_brings_text_cost_and_everything_else(ask):
    answer = ask(Gateway(completion("Hello.")), "chat", "Hi", model="smart")
    assert answer.text == "Hello."
    assert answer.finish_reason == "stop"
    assert answer.model == "openai/gpt-4.1"
    assert answer.cost_usd == Decimal("0.000012300")
    assert (answer.call_id, answer.request_id) == ("call-1", "request-1")
    assert (answer.cache, answer.cached, answer.attempts) == ("miss", False, 2)
    assert answer.usage == Usage(input_tokens=12, output_tokens=3, cached_tokens=4)
    assert answer.usage.total_tokens == 15
    assert answer.latency_ms > 0
    assert answer.raw["id"] == "chatcmpl-1"
    assert answer.message == {"role": "assistant", "content": "Hello."}
    assert "chatcmpl-1" not in repr(answer)


def test_an_answer_that_only_calls_tools_has_an_empty_text(ask):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = ask(Gateway(completion(message=message)), "chat", "Hi", model="smart")
    assert answer.text == ""
    assert answer.message["tool_calls"] == [call]


@pytest.mark.parametrize("cost", [None, "", "unknown", "NaN"])
def test_an_unknown_cost_is_none_and_the_answer_stands(ask, cost):
    headers = {} if cost is None else {"X-Devora-Cost-Usd": cost}
    gateway = Gateway(completion(headers=headers))
    answer = ask(gateway, "chat", "Hi", model="smart")
    assert (answer.text, answer.cost_usd) == ("Hello.", None)
    assert (answer.model, answer.call_id) == ("gpt-4.1-2025-04-14", None)
    assert (answer.cache, answer.attempts) == ("off", None)


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [1]}']
)
def test_an_answer_of_another_kind_is_said_to_be_one(ask, content):
    gateway = Gateway(httpx.Response(200, content=content))
    with pytest.raises(InvalidResponse, match="cannot be read") as caught:
        ask(gateway, "chat", "Hi", model="smart")
    assert caught.value.body == content.decode()


@pytest.mark.parametrize(
    ("messages", "options"),
    [
        ("Hi", {}),
        ("Hi", {"model": "smart", "prompt": "support"}),
        (None, {"model": "smart"}),
        ([], {"model": "smart"}),
        ("Hi", {"model": "smart", "variables": {"x": float("nan")}}),
        ("Hi", {"model": "smart", "variables": {"x": object()}}),
        ("\ud800", {"model": "smart"}),
    ],
)
def test_what_cannot_be_asked_is_refused_before_it_is_sent(ask, messages, options):
    gateway = Gateway(completion())
    with pytest.raises(ValueError, match=r"^(Pass|This cannot be sent)"):
        ask(gateway, "chat", messages, **options)
    assert gateway.requests == []
