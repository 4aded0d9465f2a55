"""When a provider fails: what the agent gets, what the ledger says, who is asked next."""

import contextlib
import itertools
import json
import os
import signal
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
        timeout=30,
    )


def _first(stream: httpx.Response, count: int) -> list[str]:
    return list(itertools.islice(stream.iter_lines(), count))


def _said(line: str) -> str:
    """Return the text of a stream's line, if it has one."""
    if not line.startswith("data: {"):
        return ""
    return json.loads(line[6:])["choices"][0]["delta"].get("content") or ""


@pytest.mark.parametrize(
    "name", ["sim-cut-stream-after-3", "sim-close-before-done", "sim-sse-error-after-3"]
)
def test_a_broken_stream_says_so_and_bills_what_was_said(
    installation: Installation, name: str
):
    caller = installation.caller()
    model = installation.model(name, input="0.000001", output="0.00001")

    answer = ask(installation, caller, model, stream=True, max_tokens=200)

    assert answer.status_code == 200
    assert '"finish_reason":"error"' in answer.text
    assert "data: [DONE]" not in answer.text
    (attempt,) = installation.attempts(caller)
    assert attempt["error_code"] == "stream_broken"
    assert attempt["cost_usd"] > 0


def test_an_answer_without_usage_is_estimated_and_flagged(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-no-usage", input="0.000001", output="0.00001")

    assert ask(installation, caller, model).status_code == 200

    (attempt,) = installation.attempts(caller)
    assert attempt["estimated"]
    assert 0 < attempt["output_tokens"] <= 10


def test_a_client_that_hangs_up_mid_stream_stops_the_provider_and_pays_its_part(
    installation: Installation,
):
    caller = installation.caller()
    model = installation.model(
        "sim-chunks-200-gap-50", input="0.000001", output="0.00001"
    )
    body = {"model": model, "messages": HELLO, "stream": True, "max_tokens": 500}

    with (
        httpx.Client(base_url=installation.url, headers=caller.headers) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        heard = [text for line in _first(stream, 8) if (text := _said(line))]

    (attempt,) = installation.attempts(caller)
    assert attempt["error_code"] == "client_gone"
    assert Decimal(0) < attempt["cost_usd"] < Decimal("0.002")
    (billed,) = [
        line
        for line in installation.journal_lines("billed")
        if line["attempt"] == str(attempt["id"])
    ]
    assert billed["client_gone"]
    query = "SELECT response FROM llm_content WHERE call_id = %s"
    wait_until(lambda: bool(installation.rows(query, attempt["call_id"])))
    assert heard[0] in installation.rows(query, attempt["call_id"])[0]["response"]


def test_a_client_that_hangs_up_before_the_answer_is_held_for_the_worst_case(
    installation: Installation,
):
    caller = installation.caller()
    model = installation.model("sim-slow-first-byte-5", output="0.001", input="0")

    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": model, "messages": HELLO, "max_tokens": 10},
            headers=caller.headers,
            timeout=0.5,
        )

    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["estimated"]) == ("unknown", True)
    assert attempt["cost_usd"] >= Decimal("0.01")
    (call,) = installation.calls(caller)
    assert (call["http_status"], call["error_code"]) == (499, "client_gone")


def test_after_kill_9_every_accepted_call_is_in_the_ledger_exactly_once(
    installation: Installation,
):
    caller = installation.caller()
    model = installation.model(
        "sim-chunks-100-gap-100", input="0.000001", output="0.00001"
    )
    body = {"model": model, "messages": HELLO, "stream": True, "max_tokens": 500}
    before = len(installation.journal_lines("accepted"))
    with contextlib.ExitStack() as streams:
        client = streams.enter_context(
            httpx.Client(base_url=installation.url, headers=caller.headers, timeout=30)
        )
        for _ in range(50):
            streams.enter_context(
                client.stream("POST", "/v1/chat/completions", json=body)
            )
        installation.kill_web()
    accepted = {
        line["attempt"] for line in installation.journal_lines("accepted")[before:]
    }
    assert len(accepted) == 50

    installation.start_web()
    with installation.orm():
        from django.db import connection

        with connection.cursor() as cursor:
            # The owner has been silent for a minute, as far as the sweeper can tell.
            cursor.execute(
                "UPDATE costs_owner SET seen_at = seen_at - interval '1 minute' "
                "WHERE id IN (SELECT owner FROM costs_hold)"
            )
    query = "SELECT id, state FROM costs_attempt WHERE agent = %s"
    wait_until(lambda: len(installation.rows(query, caller.agent)) >= 50, within_s=30)

    attempts = installation.rows(query, caller.agent)
    assert {str(row["id"]) for row in attempts} == accepted
    assert {row["state"] for row in attempts} == {"unknown"}
    held = "SELECT 1 FROM costs_hold WHERE facts -> 'who' ->> 'agent' = %s"
    assert installation.rows(held, caller.agent) == []


def test_a_graceful_stop_settles_what_runs(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-chunks-5-gap-100", input="0", output="0.00001")
    body = {"model": model, "messages": HELLO, "stream": True, "max_tokens": 500}
    with (
        httpx.Client(base_url=installation.url, headers=caller.headers) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        os.kill(installation.web.pid, signal.SIGTERM)
        text = "".join(stream.iter_text())
    installation.web.wait(30)

    assert "[DONE]" in text
    (attempt,) = installation.attempts(caller)
    assert attempt["state"] == "settled"
    installation.start_web()
