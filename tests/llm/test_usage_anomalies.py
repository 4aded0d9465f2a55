"""What does not add up in a usage is seen wherever somebody looks, and breaks nothing."""

from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Caller, Installation, wait_until

ODD = {"prompt_tokens": 60, "completion_tokens": 2, "total_tokens": 70}
WORDS = {"role": "assistant", "content": "hello"}


def answer(usage: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": WORDS, "finish_reason": "stop"}
    return {"id": "x", "choices": [choice], "usage": usage}


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={
            "model": model,
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 10,
            **fields,
        },
        headers=caller.headers,
        timeout=60,
    )


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller(scopes=["call", "read"])


@pytest.fixture
def model(installation: Installation, upstream: Upstream) -> str:
    return model_of(installation, upstream)


def test_an_odd_usage_is_kept_as_it_was_told_and_flagged(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    upstream.say(answer(ODD))
    assert ask(installation, caller, model).status_code == 200

    (attempt,) = installation.attempts(caller)
    assert attempt["anomaly"] == "total_differs"
    assert attempt["raw_usage"] == ODD
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (60, 2)
    assert not attempt["estimated"]
    (call,) = installation.calls(caller)
    assert call["anomaly"] == "total_differs"


def test_a_streams_odd_usage_is_flagged_too(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    upstream.say_stream(
        {"choices": [{"index": 0, "delta": WORDS}]}, {"choices": [], "usage": ODD}
    )
    assert ask(installation, caller, model, stream=True).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["anomaly"] == "total_differs"


@pytest.mark.parametrize(
    ("usage", "anomaly"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, ""),
        ({"prompt_tokens": 5, "completion_tokens": 2}, ""),
        (None, ""),
        ({"prompt_tokens": -5, "completion_tokens": 2}, "count_invalid"),
        ({"prompt_tokens": 5, "completion_tokens": 5_000_000}, "usage_above_bounds"),
    ],
    ids=repr,
)
def test_only_what_does_not_add_up_is_flagged(
    installation: Installation,
    caller: Caller,
    model: str,
    upstream: Upstream,
    usage: Any,
    anomaly: str,
):
    upstream.say(answer(usage))
    assert ask(installation, caller, model).status_code == 200
    (attempt,) = installation.attempts(caller)
    assert attempt["anomaly"] == anomaly


def test_rest_and_metrics_tell_of_it(
    installation: Installation, caller: Caller, model: str, upstream: Upstream
):
    upstream.say(answer(ODD))
    ask(installation, caller, model)
    upstream.say(answer({**ODD, "total_tokens": 62}))
    ask(installation, caller, model)
    odd, even = installation.calls(caller, count=2)
    assert (odd["anomaly"], even["anomaly"]) == ("total_differs", "")

    def found(query: str) -> list[str]:
        url = f"{installation.url}/api/v1/calls/?agent={caller.agent}&{query}"
        rows = httpx.get(url, headers=caller.headers).json()["results"]
        return [row["id"] for row in rows]

    assert found("anomaly=any") == found("anomaly=total_differs") == [str(odd["id"])]
    assert found("anomaly=count_invalid") == []
    assert len(found("")) == 2
    refused = httpx.get(
        f"{installation.url}/api/v1/calls/?anomaly=strange", headers=caller.headers
    )
    assert refused.status_code == 400
    detail = httpx.get(
        f"{installation.url}/api/v1/calls/{odd['id']}/", headers=caller.headers
    ).json()
    assert detail["anomaly"] == detail["tries"][0]["anomaly"] == "total_differs"

    provider = model.partition("/")[0]
    line = (
        f'devora_anomalies_total{{anomaly="total_differs",provider="{provider}"}} 1.0'
    )
    wait_until(lambda: line in httpx.get(f"{installation.url}/metrics").text)
