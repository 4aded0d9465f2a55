"""What only a real server shows: raw requests, and a call that becomes a row."""

import socket

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until


@pytest.fixture(scope="module")
def caller(installation: Installation) -> Caller:
    return installation.caller(scopes=("call", "read", "admin"))


def talk(installation, caller, *lines, body=b""):
    """Post to the budgets a request as written; return status and what follows."""
    head = (
        "POST /api/v1/budgets/ HTTP/1.1",
        f"Host: 127.0.0.1:{installation.port}",
        f"Authorization: Bearer {caller.key}",
        "Content-Type: application/json",
        "Connection: close",
        *lines,
        "\r\n",
    )
    with socket.create_connection(("127.0.0.1", installation.port), timeout=10) as line:
        line.sendall("\r\n".join(head).encode() + body)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2]


def test_a_negative_length_is_400_and_no_page(installation, caller):
    status, body = talk(installation, caller, "Content-Length: -1")
    assert status == 400
    assert b"<" not in body


def test_a_foreign_host_is_400_in_our_shape(installation, caller):
    answer = httpx.get(
        f"{installation.url}/api/v1/calls/",
        headers={**caller.headers, "Host": "evil.com"},
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "bad_request"
    assert answer.headers["X-Request-Id"]


def test_trace_is_405_and_echoes_nothing(installation, caller):
    answer = httpx.request(
        "TRACE", f"{installation.url}/api/v1/calls/", headers=caller.headers
    )
    assert answer.status_code == 405
    assert caller.key not in answer.text


def test_a_chunked_body_is_411(installation, caller):
    status, body = talk(
        installation,
        caller,
        "Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\n0\r\n\r\n",
    )
    assert status == 411
    assert b"length_required" in body


def test_a_body_of_three_megabytes_is_413(installation, caller):
    answer = httpx.post(
        f"{installation.url}/api/v1/budgets/",
        headers={**caller.headers, "Content-Type": "application/json"},
        content=b'{"name":"' + b"a" * 3_000_000 + b'"}',
    )
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["code"] == "payload_too_large"


def test_a_body_of_terabytes_is_refused_before_it_is_sent(installation, caller):
    status, body = talk(installation, caller, f"Content-Length: {10**12}")
    assert status == 413
    assert b"payload_too_large" in body


def test_a_call_becomes_a_row_with_its_exact_cost(installation, caller):
    asked = httpx.post(
        f"{installation.url}/v1/chat/completions",
        headers=caller.headers,
        json={
            "model": "simulator/gpt-5.2",
            "messages": [{"role": "user", "content": "Hello"}],
            "user": "wire",
        },
    )
    assert asked.status_code == 200, asked.text
    call = f"{installation.url}/api/v1/calls/{asked.headers['X-Devora-Call-Id']}/"
    wait_until(lambda: httpx.get(call, headers=caller.headers).status_code == 200)
    row = httpx.get(call, headers=caller.headers).json()
    assert row["user"] == "wire"
    assert float(row["cost_usd"]) == float(asked.headers["X-Devora-Cost-Usd"])
    assert len(row["tries"]) == 1
    # One from the rollups, one from the facts.
    for by, since in (("user", "now-7d"), ("user,prompt", "now-1h")):
        costs = httpx.get(
            f"{installation.url}/api/v1/costs/",
            params={"by": by, "from": since, "agent": caller.agent},
            headers=caller.headers,
        ).json()
        assert costs["total"]["cost_usd"] == row["cost_usd"]
        dearest = costs["results"][0]
        assert dearest.pop("unattributed") == (["prompt"] if "prompt" in by else [])
        measures = {**dearest, "prompt": None, "user": None}
        assert measures == {**costs["total"], "prompt": None, "user": None}
