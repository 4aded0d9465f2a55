"""A what-if that would take too long ends in time, and says so."""

import re
import time
from contextlib import contextmanager
from urllib.parse import urlencode

import psycopg
import pytest

from costs.models import Price
from tests.api.callers import as_key, as_person, codes_of
from tests.database import current_url

pytestmark = pytest.mark.django_db

CACHE, ROUTES, PRICES = (
    f"/api/v1/costs/what-if/{name}" for name in ("cache/", "routes/", "")
)
QUESTIONS = {
    CACHE: {},
    ROUTES: {"requested": "smart", "targets": [{"model": "a/b"}]},
    PRICES: {"prices": [{"model": "a/b", "input": "0.1", "output": "0.1"}]},
}
PAGES = (
    {"view": "cache", "ttl_s": "3600"},
    {"view": "routes", "requested": "smart", "target": "a/b"},
    {"view": "prices", "of": "a/b", "as": "a/b"},
)


@pytest.fixture(autouse=True)
def price():
    Price.objects.create(
        model="a/b",
        valid_from="2020-01-01T00:00Z",
        input="0.1",
        output="0.1",
        source="list",
    )


@contextmanager
def facts_that_nobody_can_read(settings):
    """Let reading the facts take as long as it may, which is a moment."""
    settings.WHAT_IF_TIMEOUT_S = 0.3
    with psycopg.connect(current_url()) as beside:
        beside.execute("LOCK TABLE costs_call, costs_attempt IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        yield
        # Sooner than whoever waits for a lock gives up.
        assert 0.3 <= time.monotonic() - began < 4


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_program_gets_our_503(settings, path):
    api = as_key("read")
    with facts_that_nobody_can_read(settings):
        answer = api.post(path, QUESTIONS[path], format="json")
    assert (answer.status_code, codes_of(answer)) == (503, {"unavailable"})
    assert answer.headers["Retry-After"]
    assert api.post(path, QUESTIONS[path], format="json").status_code == 200


@pytest.mark.parametrize("query", PAGES, ids=lambda query: query["view"])
def test_a_person_gets_a_sentence_and_keeps_the_form(settings, query):
    viewer, page = as_person("Viewer"), f"/costs/what-if/?{urlencode(query)}"
    with facts_that_nobody_can_read(settings):
        answer = viewer.get(page)
    told = re.sub(r"\s+", " ", answer.content.decode())
    assert answer.status_code == 503
    assert "The database cannot be asked right now, or not about so much." in told
    assert "<form" in told
    assert viewer.get(page).status_code == 200
