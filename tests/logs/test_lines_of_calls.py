"""What the gateway logs: a line for a call that we or its provider failed."""

import json

import httpx
import pytest

from tests.installation_under_test import wait_until

MESSAGES = [{"role": "user", "content": "hi"}]


def ask(talkative, caller, model, request_id, **fields):
    headers = {**caller.headers, "X-Request-Id": request_id}
    body = {"model": model, "messages": MESSAGES, "max_tokens": 10, **fields}
    url = f"{talkative.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=30)


def test_a_failed_call_is_one_line_with_the_id_that_the_client_sent(
    talkative, web_lines
):
    caller = talkative.caller()

    answer = ask(talkative, caller, "simulator/sim-502", "client-sent-1")

    assert answer.status_code == 502
    (line,) = web_lines.of("client-sent-1")
    (attempt,) = talkative.attempts(caller)
    assert line["level"] == "warning"
    assert line["logger"] == "[LLM]"
    assert line["event"] == "call failed: provider_bad_gateway"
    assert line["call_id"] == answer.headers["X-Devora-Call-Id"]
    assert line["agent"] == caller.agent
    assert line["attempts"] == [str(attempt["id"])]
    assert line["status"] == 502
    assert line["model"] == "simulator/sim-502"
    assert line["time"].endswith("Z")
    assert len(json.dumps(line)) < 600


def test_the_line_names_every_attempt(talkative, web_lines):
    caller = talkative.caller()

    answer = ask(talkative, caller, "simulator/sim-500-tag-logged", "client-sent-2")

    assert answer.status_code == 502
    (line,) = web_lines.of("client-sent-2", event="call failed: provider_error")
    made = talkative.attempts(caller, count=int(answer.headers["X-Devora-Attempts"]))
    assert line["attempts"] == [str(attempt["id"]) for attempt in made]


def test_a_broken_stream_is_one_line(talkative, web_lines):
    model = "simulator/sim-cut-stream-after-3"

    answer = ask(talkative, talkative.caller(), model, "client-sent-3", stream=True)

    assert answer.status_code == 200
    (line,) = web_lines.of("client-sent-3")
    assert line["event"] == "call failed: stream_broken"
    assert line["level"] == "warning"


@pytest.mark.parametrize("model", ["simulator/sim-400", "nobody/knows"])
def test_a_callers_mistake_is_no_news(talkative, web_lines, model):
    caller = talkative.caller()

    answer = ask(talkative, caller, model, "client-sent-4")

    assert 400 <= answer.status_code < 500
    (call,) = talkative.calls(caller)
    assert call["request_id"] == "client-sent-4"
    assert {line["level"] for line in web_lines.of("client-sent-4")} == {"debug"}


def test_a_call_that_goes_well_is_no_line(talkative, web_lines):
    caller = talkative.caller()

    assert ask(talkative, caller, "simulator/gpt-5.2", "quiet-1").status_code == 200
    assert ask(talkative, caller, "simulator/sim-502", "loud-1").status_code == 502

    assert web_lines.of("loud-1")
    assert not [line for line in web_lines.new() if line.get("request_id") == "quiet-1"]


def test_what_is_logged_while_a_call_is_served_carries_its_id(talkative, web_lines):
    model = talkative.model(
        "sim-usage-900000-900000", input="0.000001", output="0.00001"
    )

    answer = ask(talkative, talkative.caller(), model, "client-sent-5")

    assert answer.status_code == 200
    (line,) = web_lines.of("client-sent-5")
    assert line["event"] == "usage beyond its bounds"
    assert line["call_id"] == answer.headers["X-Devora-Call-Id"]


def test_an_outage_of_postgres_is_told_once_and_not_by_every_call(talkative, web_lines):
    caller = talkative.caller()
    with talkative.postgres_away():
        for number in range(20):
            answer = ask(talkative, caller, "simulator/gpt-5.2", f"away-{number}")
            assert answer.status_code == 503
    wait_until(
        lambda: any(line["event"] == "Postgres is back" for line in web_lines.new())
    )

    lines = web_lines.new()
    # Settlements of many calls share a transaction, and none of them owns its lines.
    assert not [
        line for line in lines if "is away" in line["event"] and "call_id" in line
    ]
    mine = [line for line in lines if str(line.get("request_id")).startswith("away-")]
    assert [line["event"] for line in mine] == ["call failed: unavailable"] * 20
    ledgers = [line for line in lines if line["logger"] == "[CostTracker]"]
    assert len([line for line in ledgers if "is away" in line["event"]]) == 1
    assert sum(len(json.dumps(line)) for line in lines) < 20 * 1024
