"""Query parameters of /api/v1: what is refused, with which status and code."""

from urllib.parse import quote

import pytest

from tests.api.callers import as_key, codes_of

pytestmark = pytest.mark.django_db

CALLS = "/api/v1/calls/"
COSTS = "/api/v1/costs/"
DAY = "from=2026-01-01T00:00:00Z"


@pytest.fixture
def api():
    return as_key("read")


REFUSED = {
    "H003": (CALLS, "user=%00", 400, {"nul_character"}),
    "H006": (CALLS, "page=0", 404, {"not_found"}),
    "H008": (CALLS, "page=abc", 404, {"not_found"}),
    "H009": (CALLS, "page=" + "9" * 30, 404, {"not_found"}),
    "H010": (CALLS, "page=" + "9" * 5000, 404, {"not_found"}),
    "H015": (CALLS, "limit=0", 400, {"range"}),
    "H016": (CALLS, "limit=-1", 400, {"range"}),
    "H017": (CALLS, "limit=1000000", 400, {"range"}),
    "H020": (CALLS, "&".join(f"p{n}=1" for n in range(1200)), 400, {"bad_request"}),
    "H026": (CALLS, "order=random()", 400, {"unknown_parameter"}),
    "H027": (COSTS, "by=secret", 400, {"invalid_choice"}),
    "H029": (CALLS, "expand=team.owner", 400, {"unknown_parameter"}),
    "H040": (COSTS, "from=now-10y", 400, {"range_too_long"}),
    "H043": (COSTS, "from=2026-01-01T00:00", 400, {"timezone_required"}),
    "H044": (COSTS, "from=2026-01-01T00:00:00+00:00", 400, {"invalid"}),
    "H045": (COSTS, "tz=Mars/Base", 400, {"invalid"}),
    "H046": (COSTS, "tz=../../etc/passwd", 400, {"invalid"}),
    "H058": (CALLS, "format=xml", 404, {"not_found"}),
    "H060": (CALLS, "download=../../x", 400, {"unknown_parameter"}),
    "H062": (CALLS, "callback=alert(1)", 400, {"unknown_parameter"}),
    "H073": (CALLS, "as_user=admin", 400, {"unknown_parameter"}),
    "H080": (CALLS, "user=1&user=2", 400, {"repeated_parameter"}),
    "H082": (CALLS, "a.b=c", 400, {"unknown_parameter"}),
    "H083": (CALLS, "%00=1", 400, {"unknown_parameter"}),
    "H084": (CALLS, "=1", 400, {"unknown_parameter"}),
    "A132": (COSTS, "from=0000-01-01T00:00:00Z", 400, {"invalid"}),
    "A137": (COSTS, "from=2026-03-29T02:30:00", 400, {"timezone_required"}),
    "A138": (COSTS, "from=2026-01-01T24:00:00Z", 400, {"invalid"}),
    "A139": (COSTS, "from=2026-06-30T23:59:60Z", 400, {"invalid"}),
    "A142": (COSTS, f"{DAY}&to=2025-12-31T00:00:00Z", 400, {"range"}),
    "an empty range": (COSTS, f"{DAY}&to=2026-01-01T00:00:00Z", 400, {"range"}),
    "the year 1": (CALLS, "from=0001-01-01T00:00:00Z", 400, {"range"}),
    "the year 9999": (CALLS, "to=9999-12-31T23:59:59Z", 400, {"range"}),
    "an offset out of time": (CALLS, "to=0001-01-01T00:00:00%2B14:00", 400, None),
    "a range of hundreds of years": (COSTS, "from=now-9999y", 400, {"range_too_long"}),
    "a status nobody has": (CALLS, "status=odd", 400, {"invalid_choice"}),
    "both families": (COSTS, "by=user,prompt", 400, {"range_too_long"}),
    "both families by filter": (COSTS, "by=key&prompt=p", 400, {"range_too_long"}),
    "experiments of a week": (COSTS, "by=experiment", 400, {"range_too_long"}),
    "a version that is none": (COSTS, "prompt_version=one", 400, {"invalid"}),
    "a huge version": (COSTS, "prompt_version=2147483648", 400, {"max_value"}),
    "a dimension twice": (COSTS, "by=model,model", 400, {"invalid"}),
    "too many dimensions": (COSTS, "by=model,agent,team,status", 400, {"invalid"}),
    "too many rows": (COSTS, "limit=501", 400, {"max_value"}),
    "a cursor of ours changed": (CALLS, "cursor=cD1hYmM%3D", 400, {"invalid"}),
    "a cursor of nobody": (CALLS, "cursor=%C3%A9", 400, {"invalid"}),
    "a cursor with NUL": (CALLS, "cursor=cD0lMDA%3D", 400, {"invalid"}),
    "a cursor of NUL": (CALLS, "cursor=%00", 400, {"invalid"}),
    "a cursor of junk": (CALLS, "cursor=!!!", 400, {"invalid"}),
    "an empty cursor": (CALLS, "cursor=", 400, {"invalid"}),
    "a cursor that says nothing": (CALLS, "cursor=eD0x", 400, {"invalid"}),
    "a cursor and junk": (CALLS, "cursor=cj0x!", 400, {"invalid"}),
    "a range of no length": (CALLS, "from=now&to=now", 400, {"range"}),
    "a range that begins now": (COSTS, "from=now", 400, {"range"}),
    "a limit in other digits": (CALLS, "limit=%D9%A1", 400, {"range"}),
    "an id that is none": (f"{CALLS}abc/", "", 404, {"not_found"}),
    "a budget of thirty digits": (f"/api/v1/budgets/{'9' * 30}/", "", 404, None),
    "no such address": ("/api/v1/nothing/", "", 404, {"not_found"}),
}


@pytest.mark.parametrize(
    ("path", "query", "status", "codes"), REFUSED.values(), ids=REFUSED.keys()
)
def test_it_is_refused(api, path, query, status, codes):
    answer = api.generic("GET", path, QUERY_STRING=query)
    assert answer.status_code == status
    assert codes_of(answer) == (codes or codes_of(answer))


TAKEN = {
    "H021": (CALLS, "user=" + "a" * 8000),
    "H033": ("/api/v1/agents/", "q=" + quote("%" * 1000)),
    "an escaped plus": (COSTS, "from=2026-01-01T00:00:00%2B01:00&to=now"),
    "a relative range": (COSTS, "from=now-2w&to=now-1d&by=day&tz=Europe/Paris"),
    "the longest range": (COSTS, "from=now-400d&to=now-1h"),
    "format=json": (CALLS, "format=json"),
    "no values at all": (CALLS, ""),
}


@pytest.mark.parametrize(("path", "query"), TAKEN.values(), ids=TAKEN.keys())
def test_it_is_taken(api, path, query):
    assert api.generic("GET", path, QUERY_STRING=query).status_code == 200


def test_the_lost_plus_is_explained(api):
    answer = api.generic("GET", COSTS, QUERY_STRING="from=2026-01-01T00:00:00+00:00")
    assert "%2B" in answer.json()["errors"][0]["detail"]


def test_no_answer_is_shared_between_callers(api):
    answer = api.get(CALLS, HTTP_IF_NONE_MATCH="*", HTTP_RANGE="bytes=" + "0-," * 1000)
    assert answer.status_code == 200
    assert {"Authorization", "Cookie"} <= set(answer.headers["Vary"].split(", "))
    assert answer.headers["Cache-Control"] == "no-store"


def test_whatever_the_caller_accepts_it_gets_json(api):
    for accepted in ("text/html", "application/xml", "x" * 9000):
        answer = api.get(CALLS, HTTP_ACCEPT=accepted)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
