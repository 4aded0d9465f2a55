"""What /v1 refuses: the right status, OpenAI's shape, nothing called, nothing lost."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

HELLO = [{"role": "user", "content": "hi"}]
GOOD = {"model": "simulator/gpt-5.2", "messages": HELLO, "max_tokens": 5}


@pytest.fixture(scope="module")
def caller(installation: Installation) -> Caller:
    return installation.caller()


def post(
    installation: Installation, caller: Caller, body: Any = None, **options: Any
) -> httpx.Response:
    if body is not None:
        options["json"] = body
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        **{"headers": caller.headers, "timeout": 30, **options},
    )


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["X-Request-Id"]
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return error


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic abc",
        "Bearer dv-unknown",
        "Bearer ' OR '1'='1",
        "Bearer " + "x" * 10_000,
        "Bearer dvo_live_aaaaaaaa_" + "b" * 43 + "_00000000",
    ],
)
def test_a_wrong_key_is_refused(installation: Installation, authorization: str | None):
    headers = {"Authorization": authorization} if authorization else {}

    answer = httpx.post(
        f"{installation.url}/v1/chat/completions", json=GOOD, headers=headers
    )

    assert answer.status_code == 401
    assert error_of(answer)["code"] == "invalid_api_key"


def test_a_key_in_the_url_is_never_read(installation: Installation, caller: Caller):
    answer = httpx.get(f"{installation.url}/v1/models", params={"api_key": caller.key})

    assert answer.status_code == 401


def test_two_authorization_headers_are_refused(
    installation: Installation, caller: Caller
):
    twice = [("Authorization", f"Bearer {caller.key}")] * 2

    answer = httpx.get(f"{installation.url}/v1/models", headers=twice)

    assert answer.status_code == 400


def test_a_key_without_the_scope_is_refused(installation: Installation):
    reader = installation.caller(scopes=["read"])

    answer = post(installation, reader, GOOD)

    assert answer.status_code == 403
    assert error_of(answer)["code"] == "insufficient_scope"


def test_an_expired_key_is_refused(installation: Installation):
    caller = installation.caller()
    assert post(installation, caller, GOOD).status_code == 200
    with installation.orm():
        from django.utils import timezone

        from llm.models import ApiKey

        ApiKey.objects.filter(agent__slug=caller.agent).update(
            expires_at=timezone.now()
        )

    def expired() -> bool:
        answer = post(installation, caller, GOOD)
        return answer.status_code == 401 and error_of(answer)["code"] == "key_expired"

    wait_until(expired)


def test_a_revoked_key_is_refused_within_a_moment(installation: Installation):
    caller = installation.caller()
    assert post(installation, caller, GOOD).status_code == 200
    with installation.orm():
        from llm.models import ApiKey
        from llm.services import apikey_revoke

        apikey_revoke(key=ApiKey.objects.get(agent__slug=caller.agent), actor="test")

    wait_until(lambda: post(installation, caller, GOOD).status_code == 401)


def changed(**fields: Any) -> dict[str, Any]:
    return {**GOOD, **fields}


def message(**fields: Any) -> dict[str, Any]:
    return changed(messages=[{"role": "user", "content": "hi", **fields}])


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


BAD_BODIES: list[tuple[str, Any, int, str]] = [
    ("B019 no model", {"messages": HELLO}, 400, "missing"),
    ("B020 empty model", changed(model=""), 400, "invalid"),
    ("B022 unknown model", changed(model="gpt-nope"), 404, "model_not_found"),
    ("B024 NUL in model", changed(model="a\0"), 400, "invalid"),
    ("B026 model of 1 MB", changed(model="a" * 2**20), 413, "payload_too_large"),
    ("B028 api_key", changed(api_key="sk-1"), 400, "unknown_parameter"),
    ("B030 extra_headers", changed(extra_headers={}), 400, "unknown_parameter"),
    ("B032 no messages", {"model": "simulator/gpt-5.2"}, 400, "missing"),
    ("B033 messages []", changed(messages=[]), 400, "invalid"),
    ("B034 messages {}", changed(messages={}), 400, "invalid"),
    ("B037 role root", message(role="root"), 400, "invalid"),
    ("B040 content 5", message(content=5), 400, "invalid"),
    ("B047 tool without id", message(role="tool"), 400, "invalid"),
    (
        "B051 bad base64",
        message(
            content=[
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,!!!"},
                }
            ]
        ),
        400,
        "invalid",
    ),
    ("B054 max_tokens 0", changed(max_tokens=0), 400, "range"),
    ("B057 both limits", changed(max_completion_tokens=5), 400, "conflict"),
    ("B059 temperature", changed(temperature=-0.1), 400, "range"),
    ("B063 top_p", changed(top_p=1.01), 400, "range"),
    ("B065 n 1000", changed(n=1000), 400, "range"),
    ("B068 stop [5]", changed(stop=[5]), 400, "invalid"),
    ("B069 logit_bias", changed(logit_bias={"abc": 1}), 400, "invalid"),
    ("B071 user of 10 KB", changed(user="u" * 10_240), 400, "max_length"),
    (
        "B073 deep schema",
        changed(response_format={"type": "json_schema", "json_schema": nested(80)}),
        400,
        "too_deep",
    ),
    (
        "B075 duplicate tools",
        changed(tools=[{"type": "function", "function": {"name": "a"}}] * 2),
        400,
        "duplicate",
    ),
    ("B077 stream yes", changed(stream="yes"), 400, "invalid"),
    ("a list", [], 400, "invalid"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [case[1:] for case in BAD_BODIES],
    ids=[case[0] for case in BAD_BODIES],
)
def test_a_bad_body_is_refused(
    installation: Installation, caller: Caller, body: Any, status: int, code: str
):
    before = len(installation.journal_lines("accepted"))

    answer = post(installation, caller, body)

    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert len(installation.journal_lines("accepted")) == before


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "parse_error"),
        (b'{"model":', "parse_error"),
        (b"{'model': 1}", "parse_error"),
        (b'{"temperature": NaN}', "parse_error"),
        (b"[" * 100_000, "parse_error"),
        (b'{"messages": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001, "parse_error"),
        (b'{"model": "\xc0\x80"}', "parse_error"),
        (b'{"model": "a", "messages": [{"content": "\\ud800"}]}', "invalid_unicode"),
        (b'{"model": "a", "model": "b"}', "duplicate_key"),
        (b'{"max_tokens": ' + b"9" * 5000 + b"}", "parse_error"),
    ],
)
def test_bytes_that_are_no_json_are_refused(
    installation: Installation, caller: Caller, raw: bytes, code: str
):
    answer = post(installation, caller, content=raw)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == code


def test_a_body_that_is_too_large_is_refused(
    installation: Installation, caller: Caller
):
    answer = post(installation, caller, content=b" " * (32 * 2**20 + 1))

    assert answer.status_code == 413


def test_nul_in_content_is_forwarded_and_stored_replaced(installation: Installation):
    caller = installation.caller()

    assert post(installation, caller, message(content="a\0b")).status_code == 200

    (call,) = installation.calls(caller)
    query = "SELECT request FROM llm_content WHERE call_id = %s"
    wait_until(lambda: bool(installation.rows(query, call["id"])))
    assert "a\ufffdb" in installation.rows(query, call["id"])[0]["request"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
        ("TRACE", "/v1/models", 405),
    ],
)
def test_a_wrong_address_or_method_gets_the_same_shape(
    installation: Installation, caller: Caller, method: str, path: str, status: int
):
    answer = httpx.request(method, f"{installation.url}{path}", headers=caller.headers)

    assert answer.status_code == status
    error_of(answer)


def test_a_refused_call_is_recorded_without_an_attempt(installation: Installation):
    caller = installation.caller()

    post(installation, caller, changed(model="gpt-nope"))

    (call,) = installation.calls(caller)
    assert (call["status"], call["http_status"]) == ("error", 404)
    assert (call["error_code"], call["attempts"]) == ("model_not_found", 0)


def test_a_hundred_at_once_never_exceed_a_budget(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-hold", input="0", output="0.001")
    body = {"model": model, "messages": HELLO, "max_tokens": 10}
    # Ten times 10 × 0.001 in the worst case, and not eleven.
    budget = installation.budget(limit_usd="0.105", team=caller.team)
    _wait_for_budget(installation, caller)

    answers, refused = asyncio.run(_burst(installation, caller, body))

    assert sorted(answers) == [200] * 10 + [402] * 90
    assert len(refused) == 90
    for answer in refused:
        assert answer.headers["x-should-retry"] == "false"
        assert error_of(answer)["code"] == "budget_exceeded"
    installation.calls(caller, count=100)
    (counter,) = installation.rows(
        "SELECT spent, held FROM costs_counter WHERE budget_id = %s", budget
    )
    assert counter["held"] == 0
    assert 0 < counter["spent"] <= Decimal("0.105")


async def _burst(
    installation: Installation, caller: Caller, body: Any
) -> tuple[list[int], list[httpx.Response]]:
    """Send a hundred at once; the simulator answers none until all are decided."""
    async with httpx.AsyncClient(
        base_url=installation.url, headers=caller.headers, timeout=60
    ) as client:
        burst = [
            asyncio.create_task(client.post("/v1/chat/completions", json=body))
            for _ in range(100)
        ]
        refused: set[Any] = set()
        while len(refused) < 90:
            refused, _ = await asyncio.wait(burst, timeout=0.05)
        await asyncio.to_thread(wait_until, lambda: installation.waiting() == 10)
        early = [task.result() for task in refused]
        await asyncio.to_thread(installation.release)
        return [(await task).status_code for task in burst], early


def _wait_for_budget(installation: Installation, caller: Caller) -> None:
    """Wait until the gateway has heard of the budget: it refuses what is unpriced."""
    body = {"model": "simulator/unpriced", "messages": HELLO}
    wait_until(lambda: post(installation, caller, body).status_code == 402)
