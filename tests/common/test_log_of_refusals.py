"""Mere bad input leaves one warning line in the log, and no trace."""

import json

import httpx
import pytest

from tests.api.callers import as_person
from tests.common.test_database_away import log_of

MANY = "&".join(f"p{n}=1" for n in range(1200))
ACTION = {"action": "delete_selected", "_selected_action": "a", "index": "0"}
ASKED = {
    "a bad host": ("/", {"Host": "evil.example"}),
    "a bad host of the API": ("/api/v1/calls/", {"Host": "evil.example"}),
    "too many parameters": (f"/?{MANY}", {}),
    "too many parameters of the API": (f"/api/v1/calls/?{MANY}", {}),
    "a lookup that is not allowed": ("/admin/ops/user/?password__startswith=a", {}),
    "a year that is none": ("/admin/costs/budget/?created_at__year=99999", {}),
}


@pytest.fixture(scope="module")
def owner(installation):
    with installation.orm():
        cookies = as_person("Owner").cookies
    values = {name: morsel.value for name, morsel in cookies.items()}
    with httpx.Client(base_url=installation.url, cookies=values) as client:
        yield client


@pytest.fixture
def lines(installation):
    """Return the lines that were logged since the test began."""
    before = log_of(installation)

    def since():
        said = log_of(installation).removeprefix(before).splitlines()
        return [json.loads(line) for line in said]

    return since


@pytest.mark.parametrize(("path", "headers"), ASKED.values(), ids=ASKED.keys())
def test_a_bad_request_is_a_line_of_warning(owner, lines, path, headers):
    answer = owner.get(path, headers=headers)
    assert answer.status_code in (302, 400)
    said = lines()
    assert len(said) == 1, said
    assert said[0]["level"] == "warning"
    assert said[0]["request_id"] == answer.headers["X-Request-Id"]
    assert "exception" not in said[0]


def test_an_action_on_no_id_is_a_line_of_warning(owner, lines):
    token = owner.get("/admin/costs/budget/")  # sets the cookie
    assert token.status_code == 200
    cookie = next(value for name, value in owner.cookies.items() if "csrf" in name)
    headers = {"X-CSRFToken": cookie, "Referer": str(owner.base_url)}
    answer = owner.post("/admin/costs/budget/", data=ACTION, headers=headers)
    assert answer.status_code in (200, 302)
    assert len(lines()) <= 1, lines()
    assert not any("exception" in line for line in lines())
