"""What Django logs: once, with the request's id, and by numbers instead of names."""

import contextlib
import http.client

import httpx
import pytest

from tests.logs.conftest import Lines

ENDS = (
    *("/", "/admin/login/", "/nothing/here/", "/api/v1/calls/", "/api/v1/nothing/"),
    *("/api/schema/", "/static/css/none.css", "/v1/models", "/v1/nothing"),
    *("/healthz", "/readyz", "/metrics"),
)


@pytest.mark.parametrize("path", ENDS)
def test_every_answer_carries_an_id(talkative, path):
    assert httpx.get(f"{talkative.url}{path}").headers["X-Request-Id"]


@pytest.mark.parametrize("path", ENDS)
def test_every_answer_carries_the_id_that_the_caller_brought(talkative, path):
    headers = {"X-Request-Id": "brought-along_1"}
    answer = httpx.get(f"{talkative.url}{path}", headers=headers)
    assert answer.headers["X-Request-Id"] == "brought-along_1"


def test_a_body_that_is_too_large_is_refused_under_the_callers_id(talkative):
    headers = {"X-Request-Id": "large-1", "Content-Length": str(10**9)}
    connection = http.client.HTTPConnection("127.0.0.1", talkative.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/api/v1/calls/", headers=headers)
        answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["X-Request-Id"] == "large-1"


def test_a_crash_is_one_line_with_the_id_that_the_answer_shows(talkative, web_lines):
    answer = httpx.post(f"{talkative.url}/api/v1/breaking/", json={})
    assert answer.status_code == 500
    asked = answer.headers["X-Request-Id"]
    assert asked in answer.json()["errors"][0]["detail"]
    assert "purpose" not in answer.text
    (line,) = web_lines.of(asked)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: broken on purpose")


def test_the_line_of_a_page_that_crashes_says_who_saw_it_by_a_number(
    talkative, owner, web_lines
):
    answer = owner.get("/breaking/")
    assert answer.status_code == 500
    assert "purpose" not in answer.text
    (line,) = web_lines.of(answer.headers["X-Request-Id"], level="error")
    assert isinstance(line["user_id"], int)
    assert f"broken on purpose for {line['user_id']}" in line["exception"]


def test_the_line_of_an_agents_request_names_the_agent(talkative, web_lines):
    caller = talkative.caller(scopes=["read"])
    url = f"{talkative.url}/api/v1/experiments/none/"
    answer = httpx.get(url, headers=caller.headers)
    assert answer.status_code == 404
    (line,) = web_lines.of(answer.headers["X-Request-Id"])
    assert line["agent"] == caller.agent
    assert "user_id" not in line


def test_nobody_is_asked_for_to_be_named_in_a_line(talkative, owner, web_lines):
    """A page without a person in it costs no query for one."""
    answer = owner.get("/nothing/here/")
    assert answer.status_code == 404
    (line,) = web_lines.of(answer.headers["X-Request-Id"])
    assert line["level"] == "warning"


def test_a_database_that_is_away_is_one_line_a_request(talkative, owner, web_lines):
    with talkative.postgres_away():
        page, answer = owner.get("/"), owner.get("/api/v1/calls/")
    for refused in (page, answer):
        assert refused.status_code == 503
        lines = web_lines.of(refused.headers["X-Request-Id"], logger="[Web]")
        assert len(lines) == 1
        assert lines[0]["level"] == "warning"
        asked = refused.headers["X-Request-Id"]
        assert not [
            line
            for line in web_lines.of(asked)
            if line["logger"] != "[Web]" and line["level"] in ("warning", "error")
        ]


def test_two_requests_at_once_do_not_mix_their_ids(talkative):
    lines = Lines(talkative, "web")
    with httpx.Client(base_url=talkative.url) as client:
        for number in range(10):
            headers = {"X-Request-Id": f"mixed-{number}"}
            client.get(f"/nothing/{number}/", headers=headers)
    for number in range(10):
        (line,) = lines.of(f"mixed-{number}")
        assert line["event"] == f"Not Found: /nothing/{number}/"
