"""What an agent with masked content leaves behind."""

import json

import httpx
import pytest

from llm.masking import mask
from tests.installation_under_test import Installation, wait_until


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ann.lee+x@mail.example.org now", "write to [email] now"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("card 4111-1111-1111-1111", "card [card]"),
        ("IBAN FR76 3000 6000 0112 3456 7890 189", "IBAN [iban]"),
        ("call +33 6 12 34 56 78", "call [phone]"),
        ("call 0612345678", "call [phone]"),
        ("order 4111111111111112 of 20261126", "order 4111111111111112 of 20261126"),
        ("pi is 3.14159265358979", "pi is 3.14159265358979"),
        ("at 1764140000 seconds", "at 1764140000 seconds"),
    ],
)
def test_personal_data_goes_and_the_rest_stays(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize("mode", ["full", "masked", "off"])
def test_an_agents_mode_decides_what_is_kept(installation: Installation, mode: str):
    caller = installation.caller()
    with installation.orm():
        from llm.models import Agent

        Agent.objects.filter(slug=caller.agent).update(store_content=mode)
    installation.caller()  # once a younger key is taken, the change is in force
    said = "my card is 4111 1111 1111 1111"
    answer = httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={
            "model": "simulator/gpt-5.2",
            "messages": [{"role": "user", "content": said}],
        },
        headers=caller.headers,
        timeout=30,
    )
    assert answer.status_code == 200
    (call,) = installation.calls(caller)
    query = "SELECT request FROM llm_content WHERE call_id = %s"
    if mode == "off":
        later = installation.caller()
        _say_something(installation, later.headers)
        (after,) = installation.calls(later)
        wait_until(lambda: bool(installation.rows(query, after["id"])))
        assert installation.rows(query, call["id"]) == []
        return
    wait_until(lambda: bool(installation.rows(query, call["id"])))
    (row,) = installation.rows(query, call["id"])
    (message,) = json.loads(row["request"])["messages"]
    kept = said if mode == "full" else "my card is [card]"
    assert message["content"] == kept


def _say_something(installation: Installation, headers: dict[str, str]) -> None:
    httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={
            "model": "simulator/gpt-5.2",
            "messages": [{"role": "user", "content": "x"}],
        },
        headers=headers,
        timeout=30,
    ).raise_for_status()
