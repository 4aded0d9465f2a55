"""NUL, escaped as JSON has it, in what is asked and answered: a text column takes none.

The call goes on, the client gets what the provider said, and what is kept can be read.
"""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation, wait_until

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
ODD = {"role": "assistant", "content": "a\0b", "x\0y": {"deep": ["c\0d"]}}
TOOL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "1",
            "type": "function",
            "function": {"name": "f", "arguments": '{"q": "\\u0000"}'},
        }
    ],
}


@pytest.fixture(scope="module")
def model(installation: Installation, upstream: Upstream) -> str:
    return model_of(installation, upstream)


def caller_that_keeps(installation: Installation, mode: str) -> Caller:
    caller = installation.caller(scopes=["call", "admin"])
    with installation.orm():
        from llm.models import Agent

        Agent.objects.filter(slug=caller.agent).update(store_content=mode)
    installation.caller()  # once a younger key is taken, the mode is in force
    return caller


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    messages = [
        {"role": "user", "content": "q\0r, mail@example.com"},
        {"role": "assistant", "content": [{"type": "text", "text": "\0", "k\0": "\0"}]},
    ]
    path = fields.pop("path", "chat/completions")
    return httpx.post(
        f"{installation.url}/v1/{path}",
        json={"model": model, "messages": messages, "max_tokens": 5, **fields},
        headers=caller.headers,
        timeout=30,
    )


def kept(installation: Installation, caller: Caller) -> dict[str, Any]:
    """Return what is kept of a caller's one call, as REST tells it."""
    (call,) = installation.calls(caller)
    url = f"{installation.url}/api/v1/calls/{call['id']}/content/"

    def read() -> httpx.Response:
        return httpx.get(url, headers=caller.headers)

    wait_until(lambda: read().status_code != 404)
    answer = read()
    assert answer.status_code == 200
    content: dict[str, Any] = answer.json()
    return content


@pytest.mark.parametrize("mode", ["full", "masked"])
@pytest.mark.parametrize("message", [ODD, TOOL], ids=["content", "tool"])
def test_an_answer_with_nul_reaches_its_client_and_is_kept_without(
    installation: Installation,
    upstream: Upstream,
    model: str,
    mode: str,
    message: dict[str, Any],
):
    caller = caller_that_keeps(installation, mode)
    said = {"choices": [{"index": 0, "message": message}], "usage": USAGE}
    upstream.say(said)

    answer = ask(installation, caller, model)

    assert answer.json() == said
    assert upstream.asked[-1]["messages"][0]["content"].startswith("q\0r")
    content = kept(installation, caller)
    first, second = content["request"]["messages"]
    assert first["content"].startswith("q\ufffdr")
    assert ("mail@example.com" in first["content"]) == (mode == "full")
    assert second["content"][0]["text"] == "\ufffd"
    answered = content["response"]["choices"][0]["message"]
    if message is ODD:
        assert answered["content"] == "a\ufffdb"
    else:
        arguments = answered["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments.replace("\\ufffd", "")) is not None


@pytest.mark.parametrize("mode", ["full", "masked"])
@pytest.mark.parametrize("path", ["chat/completions", "messages"])
def test_a_stream_with_nul_reaches_its_client_and_is_kept_without(
    installation: Installation, upstream: Upstream, model: str, mode: str, path: str
):
    caller = caller_that_keeps(installation, mode)
    upstream.say_stream(
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "a\0"}}]},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    )

    answer = ask(installation, caller, model, path=path, stream=True)

    assert answer.status_code == 200
    assert "a\\u0000" in answer.text
    assert kept(installation, caller)["response"] == {"content": "a\ufffdb"}


def test_the_page_of_such_a_call_can_be_opened(
    installation: Installation, upstream: Upstream, model: str
):
    from tests.api.callers import as_person

    caller = caller_that_keeps(installation, "full")
    upstream.say({"choices": [{"index": 0, "message": ODD}], "usage": USAGE})
    ask(installation, caller, model)
    kept(installation, caller)
    (call,) = installation.calls(caller)
    with installation.orm():
        page = as_person("Owner").get(f"/admin/costs/call/{call['id']}/change/")
    assert page.status_code == 200
    assert "a\ufffdb" in page.content.decode()


def test_a_usage_with_nul_is_billed_and_not_kept(
    installation: Installation, upstream: Upstream, model: str
):
    caller = caller_that_keeps(installation, "full")
    message = {"role": "assistant", "content": "hello"}
    usage = {**USAGE, "note": "\0"}
    upstream.say({"choices": [{"index": 0, "message": message}], "usage": usage})
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert (attempt["input_tokens"], attempt["raw_usage"]) == (5, None)
