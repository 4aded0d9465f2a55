"""Pages and REST when Postgres was restarted, and while it is away."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.api.callers import as_person
from tests.database import url_of
from tests.installation_under_test import Installation, wait_until

PAGES = ("/", "/admin/login/", "/admin/costs/call/")
CALLS = "/api/v1/calls/"


@pytest.fixture
def browser(installation):
    """Return a client of the installation that is signed in as an Owner."""
    with installation.orm():
        cookies = as_person("Owner").cookies
    values = {name: morsel.value for name, morsel in cookies.items()}
    with httpx.Client(base_url=installation.url, cookies=values, timeout=20) as client:
        yield client


@contextlib.contextmanager
def beside_it():
    """Connect beside the installation's database, to end what is connected to it."""
    with psycopg.connect(url_of("postgres"), autocommit=True) as beside:
        yield beside


def connected(installation: Installation) -> list[int]:
    """Return the backends of the control plane."""
    with beside_it() as beside:
        rows = beside.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = %s AND application_name = '' "
            "AND backend_type = 'client backend'",
            [installation.database],
        )
        return [pid for (pid,) in rows]


def end_connections(installation: Installation) -> None:
    """End every connection of the control plane, as a restart does."""
    with beside_it() as beside:
        beside.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid",
            [connected(installation)],
        )


@contextlib.contextmanager
def away(installation: Installation):
    """Let the database refuse everybody for a moment."""
    change = f'ALTER DATABASE "{installation.database}" ALLOW_CONNECTIONS '
    with beside_it() as beside:
        beside.execute(change + "false")
        try:
            end_connections(installation)
            yield
        finally:
            beside.execute(change + "true")
    wait_until(lambda: httpx.get(f"{installation.url}/readyz").status_code == 200)


def log_of(installation):
    return (installation.folder / "web.log").read_text()


@pytest.mark.parametrize("path", [*PAGES, CALLS])
def test_the_first_request_after_a_restart_is_served(installation, browser, path):
    assert browser.get(path).status_code in (200, 302)
    end_connections(installation)
    assert browser.get(path).status_code in (200, 302)


def test_however_many_connections_a_restart_ended_the_next_request_is_served(
    installation, browser
):
    with ThreadPoolExecutor(24) as together:
        served = together.map(browser.get, [CALLS] * 120)
        assert {answer.status_code for answer in served} == {200}
    assert len(connected(installation)) > 4
    end_connections(installation)
    assert browser.get(CALLS).status_code == 200


def test_while_the_database_is_away_people_and_programs_get_a_503(
    installation, browser
):
    before = log_of(installation)
    with away(installation):
        page, answer = browser.get("/"), browser.get(CALLS)
    for refusal in (page, answer):
        assert refusal.status_code == 503
        assert refusal.headers["Retry-After"]
        assert refusal.headers["X-Request-Id"]
    assert "<h1>The database is busy. Try again.</h1>" in page.text
    assert answer.json()["errors"][0]["code"] == "unavailable"
    said = log_of(installation).removeprefix(before)
    assert "Traceback" not in said
    assert "couldn't get a connection" in said
    assert browser.get("/").status_code == 200
