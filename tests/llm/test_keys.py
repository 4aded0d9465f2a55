"""Keys in use: limits that hold, a last use that shows, a successor with an overlap."""

import asyncio
import base64
import datetime as dt
import uuid
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

BODY = {
    "model": "simulator/sim-instant",
    "messages": [{"role": "user", "content": "x"}],
}


def limited(installation: Installation, *, owner: str, **limits: int) -> Caller:
    caller = installation.caller()
    with installation.orm():
        from llm.models import Agent, ApiKey

        if owner == "key":
            public_id = caller.key.split("_")[2]
            ApiKey.objects.filter(public_id=public_id).update(**limits)
        else:
            Agent.objects.filter(slug=caller.agent).update(**limits)
    installation.caller()  # once a younger key is taken, the limits are in force
    return caller


def ask(installation: Installation, caller: Caller, **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={**BODY, **fields},
        headers=caller.headers,
        timeout=30,
    )


@pytest.mark.parametrize("owner", ["key", "agent"])
def test_requests_beyond_a_minutes_limit_are_told_when_to_come_back(
    installation: Installation, owner: str
):
    caller = limited(installation, owner=owner, requests_per_minute=3)

    answers = [ask(installation, caller) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "2"
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "rate_limited"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    calls = installation.calls(caller, count=5)
    assert [call["status"] for call in calls] == ["ok"] * 3 + ["rate_limited"] * 2
    assert calls[-1]["attempts"] == 0


def test_tokens_beyond_a_minutes_limit_are_refused(installation: Installation):
    caller = limited(installation, owner="key", tokens_per_minute=1000)
    model = installation.model("sim-usage-600-10")
    assert ask(installation, caller, model=model).status_code == 200
    assert ask(installation, caller, model=model).status_code == 200
    assert ask(installation, caller, model=model).status_code == 429


def test_calls_at_once_are_bounded_and_their_places_come_back(
    installation: Installation,
):
    caller = limited(installation, owner="agent", concurrent_calls=2)
    model = installation.model(f"sim-slow-first-byte-1-tag-{uuid.uuid4().hex[:6]}")

    async def burst() -> list[int]:
        async with httpx.AsyncClient(
            base_url=installation.url, headers=caller.headers, timeout=30
        ) as client:
            body = {**BODY, "model": model}
            answers = await asyncio.gather(
                *(client.post("/v1/chat/completions", json=body) for _ in range(5))
            )
            return sorted(answer.status_code for answer in answers)

    assert asyncio.run(burst()) == [200, 200, 429, 429, 429]
    assert asyncio.run(burst()) == [200, 200, 429, 429, 429]


def test_a_client_that_hangs_up_gives_its_place_back(installation: Installation):
    caller = limited(installation, owner="agent", concurrent_calls=1)
    model = installation.model(f"sim-chunks-50-gap-100-tag-{uuid.uuid4().hex[:6]}")
    body = {**BODY, "model": model, "stream": True}
    with (
        httpx.Client(base_url=installation.url, headers=caller.headers) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        assert ask(installation, caller).status_code == 429
    wait_until(lambda: ask(installation, caller).status_code == 200)


def test_when_a_key_was_used_last_is_known(installation: Installation):
    caller = installation.caller()
    assert ask(installation, caller).status_code == 200
    installation.stop_web()  # it writes what it knows; otherwise it takes a while
    installation.start_web()
    query = "SELECT used_at FROM llm_keyuse WHERE public_id = %s"
    (row,) = installation.rows(query, caller.key.split("_")[2])
    assert dt.datetime.now(dt.UTC) - row["used_at"] < dt.timedelta(minutes=2)


def test_a_successor_works_beside_the_old_key_until_the_overlap_is_over(
    installation: Installation,
):
    caller = limited(installation, owner="key", requests_per_minute=50)
    with installation.orm():
        from llm.models import ApiKey
        from llm.services import apikey_rotate

        old = ApiKey.objects.get(public_id=caller.key.split("_")[2])
        token = apikey_rotate(key=old, overlap=dt.timedelta(hours=1), actor="test")
        new = ApiKey.objects.get(public_id=token.split("_")[2])
    successor = Caller(caller.agent, caller.team, token)
    wait_until(lambda: ask(installation, successor).status_code == 200)
    assert (new.scopes, new.agent_id, new.requests_per_minute) == (
        old.scopes,
        old.agent_id,
        50,
    )
    assert ask(installation, caller).status_code == 200
    with installation.orm():
        # The overlap is over.
        ApiKey.objects.filter(pk=old.pk).update(
            expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
        )
    wait_until(lambda: ask(installation, caller).status_code == 401)
    assert ask(installation, successor).status_code == 200


def test_a_successor_of_a_key_that_ends_ends_with_it(installation: Installation):
    caller = installation.caller()
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    with installation.orm():
        from llm.models import ApiKey
        from llm.services import apikey_rotate

        old = ApiKey.objects.get(public_id=caller.key.split("_")[2])
        old.expires_at = end
        old.save()
        token = apikey_rotate(key=old, overlap=dt.timedelta(hours=1), actor="test")
        assert ApiKey.objects.get(public_id=token.split("_")[2]).expires_at == end
        old.refresh_from_db()
        assert old.expires_at < end


def test_a_picture_does_not_count_as_text(installation: Installation):
    caller = limited(installation, owner="key", tokens_per_minute=2000)
    assert ask(installation, caller).status_code == 200
    picture = base64.b64encode(b"picture" * 10_000).decode()
    part = {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{picture}"},
    }
    seen = ask(installation, caller, messages=[{"role": "user", "content": [part]}])
    assert seen.status_code == 200
    text = [{"role": "user", "content": "words " * 10_000}]
    assert ask(installation, caller, messages=text).status_code == 429
