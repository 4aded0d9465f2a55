"""The ledger's commands over books in use: what they print is what happened."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


def ask(installation: Installation, caller: Caller, model: str) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, "max_tokens": 10},
        headers=caller.headers,
        timeout=30,
    )


def export(installation: Installation, since: dt.datetime, agent: str) -> list[Any]:
    exported = installation.manage("ledger_export", "--since", since.isoformat())
    assert exported.returncode == 0, exported.stderr
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    return [row for row in rows if row["agent"] == agent]


def test_the_export_says_of_each_attempt_what_the_provider_would_bill(
    installation: Installation, caller: Caller
):
    began = dt.datetime.now(dt.UTC)
    model = installation.model("sim-usage-90-7", input="0.000003", output="0.000015")
    assert ask(installation, caller, model).status_code == 200
    assert ask(installation, caller, installation.model("sim-400")).status_code == 400
    installation.calls(caller, count=2)

    served, failed = export(installation, began, caller.agent)

    assert served["state"] == "settled"
    assert (served["provider"], served["model"]) == ("simulator", model)
    assert (served["input_tokens"], served["output_tokens"]) == (90, 7)
    assert Decimal(served["cost_usd"]) == 90 * Decimal("0.000003") + 7 * Decimal(
        "0.000015"
    )
    assert served["estimated"] is False
    assert served["anomaly"] == ""
    started, settled = (
        dt.datetime.fromisoformat(served[name]) for name in ("started", "settled")
    )
    assert began - dt.timedelta(milliseconds=1) <= started <= settled
    (billed,) = [
        line
        for line in installation.journal_lines("billed")
        if line["attempt"] == served["attempt_id"]
    ]
    assert billed["usage"]["total_tokens"] == 97
    assert failed["output_tokens"] == 0
    assert export(installation, settled + dt.timedelta(minutes=1), caller.agent) == []


def test_a_held_attempt_is_in_the_export_and_in_its_budgets_state(
    installation: Installation, caller: Caller
):
    began = dt.datetime.now(dt.UTC)
    model = installation.model("sim-chunks-3-hold-after-1", input="0", output="0.001")
    budget = installation.budget(limit_usd="1", team=caller.team)
    body = {"model": model, "messages": HELLO, "max_tokens": 10, "stream": True}
    with (
        httpx.Client(base_url=installation.url, headers=caller.headers) as client,
        client.stream("POST", "/v1/chat/completions", json=body, timeout=60) as stream,
    ):
        wait_until(lambda: installation.waiting() == 1)
        (held,) = export(installation, began, caller.agent)
        state = _state(installation, budget)
        installation.release()
        stream.read()
    installation.calls(caller)

    assert (held["state"], held["settled"]) == ("held", None)
    assert Decimal(held["cost_usd"]) == Decimal("0.01")
    assert held["estimated"] is True
    assert state["limit"] == "1.000000000"
    assert Decimal(state["spent"]) == 0
    assert Decimal(state["held"]) == Decimal(state["open_holds"]) == Decimal("0.01")
    after = _state(installation, budget)
    assert Decimal(after["held"]) == Decimal(after["open_holds"]) == 0
    assert Decimal(0) < Decimal(after["spent"]) <= Decimal("0.01")


def _state(installation: Installation, budget: int) -> dict[str, Any]:
    shown = installation.manage("budget_state")
    assert shown.returncode == 0, shown.stderr
    (state,) = [row for row in json.loads(shown.stdout) if row["id"] == budget]
    return dict(state)


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", ""])
def test_an_export_since_no_moment_says_what_to_write(
    installation: Installation, since: str
):
    refused = installation.manage("ledger_export", "--since", since)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "2026-11-01T00:00:00Z" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_new_key_is_alone_on_stdout_and_works_at_once(installation: Installation):
    made = installation.manage(
        "createkey",
        "--agent",
        "librarian",
        "--team",
        "library",
        "--scopes",
        "call,read",
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}

    def answer(path: str) -> int:
        return httpx.get(f"{installation.url}{path}", headers=headers).status_code

    wait_until(lambda: answer("/v1/models") == 200)
    assert answer("/api/v1/calls/") == 200
    assert key not in made.stderr
    (row,) = installation.rows(
        "SELECT a.slug, t.slug AS team FROM llm_apikey k JOIN llm_agent a"
        " ON a.id = k.agent_id JOIN ops_team t ON t.id = a.team_id"
        " WHERE k.public_id = %s",
        key.split("_")[2],
    )
    assert row == {"slug": "librarian", "team": "library"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--agent", "x", "--scopes", "call,everything"),
        ("--agent", "x", "--scopes", ","),
        ("--agent", "Not A Slug!"),
        ("--agent", ""),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_a_sentence(
    installation: Installation, arguments: tuple[str, ...]
):
    refused = installation.manage("createkey", *arguments)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.strip()
    assert "Traceback" not in refused.stderr
