"""A refused budget says which one it is, and what would still fit."""

from typing import Any

import httpx

from costs.models import Budget
from tests.installation_under_test import Caller, Installation

HELLO = [{"role": "user", "content": "hi"}]


def ask(installation: Installation, caller: Caller, **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"messages": HELLO} | fields,
        headers=caller.headers,
        timeout=30,
    )


def _advised(
    installation: Installation, limit_usd: str, **fields: Any
) -> tuple[Caller, str, Any]:
    caller = installation.caller()
    model = installation.model("sim-instant", input="0.00001", output="0.001")
    installation.budget(limit_usd=limit_usd, team=caller.team)
    refused = ask(installation, caller, model=model, **fields)
    assert refused.status_code == 402
    return caller, model, refused.json()["error"]


def test_the_largest_limit_that_fits_does_fit_and_a_larger_one_does_not(
    installation: Installation,
):
    caller, model, error = _advised(installation, "0.5", max_tokens=1000, n=2)
    most = error["largest_max_tokens"]
    assert 200 < most < 250
    assert f"with `max_tokens` of {most} at most" in error["message"]
    above = ask(installation, caller, model=model, max_tokens=most + 1, n=2)
    assert above.status_code == 402
    assert ask(installation, caller, model=model, max_tokens=most, n=2).is_success


def test_an_input_that_does_not_fit_by_itself_is_told_so(installation: Installation):
    long = [{"role": "user", "content": "word " * 2000}]
    _, _, error = _advised(installation, "0.01", messages=long, max_tokens=5)
    assert error["largest_max_tokens"] == 0
    assert "Its input alone does not fit." in error["message"]


def test_the_advice_fits_all_budgets_that_have_no_room(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-instant", input="0.00001", output="0.001")
    installation.budget(limit_usd="5", team=caller.team)
    installation.budget(limit_usd="0.5", team=caller.team)
    error = ask(installation, caller, model=model, max_tokens=9000).json()["error"]
    assert error["left_usd"] == "0.5"
    assert "has $0.5 left" in error["message"]
    fits = error["largest_max_tokens"]
    assert ask(installation, caller, model=model, max_tokens=fits).is_success


def test_nothing_is_left_of_a_limit_that_was_lowered_below_what_is_spent(
    installation: Installation,
):
    caller = installation.caller()
    model = installation.model("sim-instant", input="0.00001", output="0.001")
    installation.budget(limit_usd="0.5", team=caller.team)
    assert ask(installation, caller, model=model, max_tokens=100).is_success
    with installation.orm():
        Budget.objects.filter(team=caller.team).update(limit_usd="0.000001")
    error = ask(installation, caller, model=model, max_tokens=100).json()["error"]
    assert (error["left_usd"], error["largest_max_tokens"]) == ("0", 0)
