"""A call's quality: scored once, corrected exactly, in every sum that the call is in."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest
from django.utils import timezone

from costs.models import Score
from devora_ops.common.ids import uuid7
from tests.api.callers import as_key, as_person, codes_of
from tests.api.test_calls import make_call
from tests.installation_under_test import wait_until

FAMILIES = ("costs_rollup_work", "costs_rollup_who", "costs_rollup_minute")


@pytest.fixture
def judge(db):
    return as_key("call")


def path_of(call_id):
    return f"/api/v1/calls/{call_id}/score/"


def score(client, call, body):
    return client.post(path_of(call.id), body, format="json")


def test_a_score_is_kept_and_a_later_one_replaces_it(judge):
    call = make_call()
    first = score(judge, call, {"value": 7.5})
    assert first.status_code == 201
    assert first.json() == {"call_id": str(call.id), "value": 7.5, "previous": None}
    second = score(judge, call, {"value": 9})
    assert second.status_code == 200
    assert second.json() == {"call_id": str(call.id), "value": 9.0, "previous": 7.5}
    assert Score.objects.get().value == 9


def test_the_call_shows_its_score_and_who_gave_it_is_known(judge):
    call = make_call()
    reader = as_key("read")
    assert reader.get(f"/api/v1/calls/{call.id}/").json()["score"] is None
    score(judge, call, {"value": 0})
    assert reader.get(f"/api/v1/calls/{call.id}/").json()["score"] == 0.0
    assert Score.objects.get().scored_by.startswith("key:")


def test_a_person_may_score_too(db):
    call = make_call()
    assert score(as_person("Editor"), call, {"value": 3}).status_code == 201
    assert score(as_person("Viewer"), call, {"value": 3}).status_code == 403


def test_a_score_is_kept_to_three_places(judge):
    answer = score(judge, make_call(), {"value": 8.3333333})
    assert answer.json()["value"] == 8.333


@pytest.mark.parametrize(
    "body",
    [
        *({"value": value} for value in (-0.1, 10.0001, 1e300, "7", True, None, [7])),
        *({}, [], {"score": 7}, {"value": 7, "more": 1}),
    ],
)
def test_what_is_no_score_is_refused_and_nothing_is_written(judge, body):
    answer = score(judge, make_call(), body)
    assert answer.status_code == 400, answer.content
    assert codes_of(answer)
    assert not Score.objects.exists()


@pytest.mark.parametrize("raw", [b'{"value": NaN}', b'{"value": 1e999}', b"{", b""])
def test_what_is_no_json_is_refused(judge, raw):
    call = make_call()
    answer = judge.generic("POST", path_of(call.id), raw, "application/json")
    assert answer.status_code == 400
    assert not Score.objects.exists()


@pytest.mark.parametrize(
    "call_id",
    [uuid.uuid4(), uuid7(), uuid.UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")],
)
def test_a_call_that_does_not_exist_is_404_and_nothing_is_written(judge, call_id):
    answer = judge.post(path_of(call_id), {"value": 7}, format="json")
    assert (answer.status_code, codes_of(answer)) == (404, {"call_not_found"})
    assert not Score.objects.exists()


@pytest.mark.parametrize("status", ["error", "timeout", "rate_limited", "blocked"])
def test_a_call_without_an_answer_has_no_quality(judge, status):
    answer = score(judge, make_call(status=status), {"value": 7})
    assert (answer.status_code, codes_of(answer)) == (422, {"no_answer"})
    assert not Score.objects.exists()


def test_an_answer_from_the_cache_has_one(judge):
    assert score(judge, make_call(status="cached"), {"value": 7}).status_code == 201


# --- Through the gateway ------------------------------------------------------------


@pytest.fixture
def caller(installation):
    return installation.caller(scopes=["call", "read"])


@pytest.fixture
def client(installation, caller):
    url, headers = installation.url, caller.headers
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def call_once(client):
    answer = client.post(
        "/v1/chat/completions",
        json={
            "model": "simulator/gpt-5.2",
            "messages": [{"role": "user", "content": "?"}],
            "max_tokens": 20,
            "user": "u-1",
        },
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Devora-Call-Id"]


def sums(installation, caller):
    """Return (scored, sum of scores, calls) of each family's rows of a caller."""
    query = (
        "SELECT sum(scored) AS scored, sum(score_sum) AS points, sum(calls) AS calls,"
        " count(*) AS n FROM {} WHERE agent = %s"
    )
    rows = [installation.rows(query.format(t), caller.agent)[0] for t in FAMILIES]
    return [(row["scored"], row["points"], row["calls"]) for row in rows]


def test_a_call_is_scored_as_soon_as_it_has_answered(installation, caller, client):
    for value in (6, 8.25):
        answer = client.post(path_of(call_once(client)), json={"value": value})
        assert answer.status_code == 201, answer.text
    assert sums(installation, caller) == [(2, Decimal("14.25"), 2)] * 3


def test_scores_at_once_leave_one_whose_sum_is_right(installation, caller, client):
    path = path_of(call_once(client))
    values = [number / 4 for number in range(24)]

    def give(value):
        return client.post(path, json={"value": value}).status_code

    with ThreadPoolExecutor(8) as judges:
        codes = list(judges.map(give, values))
    assert sorted(codes) == [200] * 23 + [201]
    (row,) = installation.rows(
        "SELECT value FROM costs_score WHERE call_id ="
        " (SELECT id FROM costs_call WHERE agent = %s)",
        caller.agent,
    )
    assert sums(installation, caller) == [(1, row["value"], 1)] * 3


def test_what_is_asked_of_sums_includes_the_quality(caller, client):
    ids = [call_once(client) for _ in range(3)]
    for call_id, value in zip(ids, (9, 7), strict=False):
        client.post(path_of(call_id), json={"value": value})
    of_mine = {"agent": caller.agent}
    overview = client.get("/api/v1/metrics/overview/", params=of_mine).json()
    assert overview["total"]["scored"] == 2
    assert overview["total"]["quality_score"] == 8.0
    # Users within a prompt are in no rollup: these sums are read from the facts.
    lately = (timezone.now() - dt.timedelta(hours=1)).isoformat()
    by_both = {**of_mine, "by": "user,variant", "from": lately}
    (row,) = client.get("/api/v1/costs/", params=by_both).json()["results"]
    assert (row["calls"], row["scored"], row["quality_score"]) == (3, 2, 8.0)


def test_prometheus_is_told(installation, client):
    client.post(path_of(call_once(client)), json={"value": 9.5})
    text = httpx.get(f"{installation.url}/metrics").text
    assert 'devora_quality_score{model="simulator/gpt-5.2"}' in text
    assert 'devora_scored_calls{model="simulator/gpt-5.2"}' in text


def test_the_ledger_adds_up_and_a_wrong_sum_is_named(installation, caller, client):
    def complaints():
        said = installation.manage("verify_ledger")
        return {
            line for line in (said.stdout + said.stderr).splitlines() if "score" in line
        }

    path = path_of(call_once(client))
    for value in (2, 9.125):
        client.post(path, json={"value": value})
    wait_until(lambda: sums(installation, caller)[0][0] == 1)
    assert complaints() == set()
    change = "UPDATE costs_rollup_who SET score_sum = score_sum + {} WHERE agent = %s RETURNING 1"
    installation.rows(change.format(1), caller.agent)
    assert any("sum of scores: facts come to" in line for line in complaints())
    installation.rows(change.format(-1), caller.agent)
    assert complaints() == set()
