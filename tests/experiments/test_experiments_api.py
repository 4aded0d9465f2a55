"""Experiments over REST."""

import uuid

import pytest

from costs.models import Score
from experiments.models import Experiment, Exposure, Outcome
from tests.api.callers import as_key, as_person, codes_of
from tests.api.test_calls import make_call

EXPERIMENTS = "/api/v1/experiments/"
TONE = f"{EXPERIMENTS}tone/"
BODY = {
    "slug": "tone",
    "prompt": "greeting",
    "variants": [
        {"name": "control", "version": 1, "weight": 50},
        {"name": "short", "version": 2, "weight": 50},
    ],
    "primary_metric": "success",
    "guardrails": [{"metric": "latency", "margin": 0.1}],
    "unit": "user",
    "min_days": 0,
}


@pytest.fixture
def api(greeting):
    return as_key("write")


@pytest.fixture
def caller(greeting):
    return as_key("call")


@pytest.fixture
def running(api):
    _post(api, EXPERIMENTS, BODY)
    assert _post(api, f"{TONE}start/").status_code == 200


def _post(client, url, body=None):
    return client.post(url, body, format="json")


def _units_of(caller, variant, count):
    units = (f"unit-{i}" for i in range(1000))
    seen = (u for u in units if _assigned(caller, u)["variant"] == variant)
    return [next(seen) for _ in range(count)]


def _assigned(caller, unit):
    return _post(caller, f"{TONE}assign/", {"unit": unit}).json()


def test_an_experiment_is_made_read_and_listed(api):
    answer = _post(api, EXPERIMENTS, BODY)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert {name: made[name] for name in BODY} == BODY
    assert (made["status"], made["started_at"]) == ("draft", None)
    reader = as_key("read")
    assert reader.get(TONE).json() == made
    assert [e["slug"] for e in reader.get(EXPERIMENTS).json()["results"]] == ["tone"]


def test_it_starts_stops_and_promotes(api):
    _post(api, EXPERIMENTS, BODY)
    assert _post(api, f"{TONE}start/").json()["status"] == "running"
    assert _post(api, f"{TONE}stop/").json()["status"] == "stopped"
    answer = _post(api, f"{TONE}promote/", {"variant": "short"})
    assert (answer.json()["status"], answer.json()["winner"]) == ("done", "short")
    prompt = as_key("read").get("/api/v1/prompts/greeting/").json()
    assert prompt["labels"]["production"] == 2
    again = _post(api, f"{TONE}start/")
    assert (again.status_code, codes_of(again)) == (409, {"wrong_status"})


def test_a_unit_sees_one_variant_and_is_counted_once(running, caller):
    first = _assigned(caller, "user-1")
    assert first in (
        {"variant": "control", "version": 1},
        {"variant": "short", "version": 2},
    )
    assert _assigned(caller, "user-1") == first
    assert Exposure.objects.count() == 1


def test_outcomes_are_counted_with_the_variant_of_their_unit(running, caller):
    for value, unit in enumerate(_units_of(caller, "short", 3)):
        answer = _post(
            caller,
            f"{TONE}outcomes/",
            {"unit": unit, "metric": "score", "value": value},
        )
        assert answer.status_code == 201
        assert answer.json()["variant"] == "short"
    summary = as_key("read").get(f"{TONE}summary/").json()
    control, short = summary["variants"]
    assert (control["name"], short["name"]) == ("control", "short")
    assert short["outcomes"] == {"score": {"n": 3, "mean": 1.0}}
    assert short["exposures"] == 3
    assert control["outcomes"] == {}
    assert summary["decision"] is None


def test_an_outcome_of_a_unit_that_saw_no_variant_is_refused(running, caller):
    body = {"unit": "never-seen", "metric": "success", "value": 1}
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (404, {"unit_not_exposed"})
    assert not Exposure.objects.exists()


@pytest.mark.parametrize("metric", ["success", "thumbs", "latency", "refunds"])
def test_an_outcome_may_be_of_any_metric_that_is_known(api, caller, metric):
    guardrails = [{"metric": "refunds", "margin": 0.1}]
    _post(api, EXPERIMENTS, BODY | {"guardrails": guardrails})
    _post(api, f"{TONE}start/")
    _assigned(caller, "u")
    body = {"unit": "u", "metric": metric, "value": 1}
    assert _post(caller, f"{TONE}outcomes/", body).status_code == 201


@pytest.mark.parametrize(
    ("metric", "value"),
    [("score", 1e308), ("score", -2e12), ("success", 0.5), ("success", 1e308)],
)
def test_a_value_that_would_spoil_the_sums_is_refused(running, caller, metric, value):
    _assigned(caller, "u")
    body = {"unit": "u", "metric": metric, "value": value}
    assert _post(caller, f"{TONE}outcomes/", body).status_code == 400
    assert not Outcome.objects.exists()


def test_an_outcome_of_a_metric_that_nobody_declared_is_refused(running, caller):
    _assigned(caller, "u")
    body = {"unit": "u", "metric": "sucess", "value": 1}
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (422, {"unknown_metric"})
    assert "success" in answer.json()["errors"][0]["detail"]
    assert not Outcome.objects.exists()


def test_an_outcome_of_a_call_outside_the_experiment_is_refused(running, caller):
    body = {"call_id": str(uuid.uuid4()), "metric": "success", "value": 1}
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (404, {"not_exposed"})


def test_the_quality_of_a_call_is_its_score_too(running, caller):
    call = make_call(experiment="tone", variant="short", prompt="greeting")
    for value in (4, 8.5):
        body = {"call_id": str(call.id), "metric": "quality", "value": value}
        assert _post(caller, f"{TONE}outcomes/", body).status_code == 201
    score = Score.objects.get()
    assert (score.call_id, float(score.value)) == (call.id, 8.5)
    assert score.scored_by.startswith("key:")


def test_another_metric_of_a_call_is_no_score(running, caller):
    call = make_call(experiment="tone", variant="short", prompt="greeting")
    body = {"call_id": str(call.id), "metric": "score", "value": 4}
    assert _post(caller, f"{TONE}outcomes/", body).status_code == 201
    assert not Score.objects.exists()


@pytest.mark.parametrize("value", [-1, 10.5, 87])
def test_a_quality_beyond_ten_is_refused_and_not_stored(running, caller, value):
    call = make_call(experiment="tone", variant="short", prompt="greeting")
    body = {"call_id": str(call.id), "metric": "quality", "value": value}
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (400, {"invalid"})
    assert not Outcome.objects.exists()
    assert not Score.objects.exists()


def test_the_quality_of_a_call_without_an_answer_is_not_stored(running, caller):
    call = make_call(experiment="tone", variant="short", status="error")
    body = {"call_id": str(call.id), "metric": "quality", "value": 5}
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (422, {"no_answer"})
    assert not Outcome.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"metric": "score", "value": 1}, "invalid"),
        (
            {"unit": "u", "call_id": str(uuid.uuid4()), "metric": "score", "value": 1},
            "invalid",
        ),
        ({"unit": "u", "metric": "score", "value": "1"}, "invalid"),
        ({"unit": "u", "metric": "score", "value": True}, "invalid"),
        ({"unit": "u", "metric": "score"}, "required"),
        ({"unit": "", "metric": "score", "value": 1}, "blank"),
        ({"unit": "u" * 257, "metric": "score", "value": 1}, "max_length"),
        ({"unit": 5, "metric": "score", "value": 1}, "invalid"),
        ({"call_id": "abc", "metric": "score", "value": 1}, "invalid"),
        ({"unit": "u", "metric": "a\nb", "value": 1}, "control_character"),
    ],
)
def test_a_bad_outcome_is_refused_and_not_stored(running, caller, body, code):
    answer = _post(caller, f"{TONE}outcomes/", body)
    assert (answer.status_code, codes_of(answer)) == (400, {code})
    assert not Outcome.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"prompt": "nothing"}, 404, "prompt_not_found"),
        ({"variants": [{"name": "a", "version": 9}]}, 404, "version_not_found"),
        (
            {"variants": [{"name": "a", "version": 1, "weight": -1}]},
            400,
            "min_value",
        ),
        ({"variants": [{"name": "a", "version": "1"}]}, 400, "invalid"),
        ({"variants": [{"version": 1}]}, 400, "required"),
        ({"variants": {"a": 1}}, 400, "not_a_list"),
        ({"variants": [{"name": "a", "version": 1}] * 2}, 400, "unique_together"),
        ({"variants": [{"name": "a", "version": 1}] * 21}, 400, "max_length"),
        ({"primary_metric": "Success"}, 400, "invalid_choice"),
        ({"guardrails": "x"}, 400, "invalid"),
        ({"min_days": -1}, 400, "min_value"),
        ({"min_days": 1.5}, 400, "invalid"),
        ({"slug": "a b"}, 400, "invalid"),
        ({"colour": "red"}, 400, "unknown_field"),
    ],
)
def test_a_bad_experiment_is_refused_and_not_stored(api, changes, status, code):
    answer = _post(api, EXPERIMENTS, {**BODY, **changes})
    assert (answer.status_code, codes_of(answer)) == (status, {code})
    assert not Experiment.objects.exists()


def test_an_experiment_without_variants_cannot_start(api):
    _post(api, EXPERIMENTS, {**BODY, "variants": []})
    answer = _post(api, f"{TONE}start/")
    assert (answer.status_code, codes_of(answer)) == (422, {"too_few_variants"})


REQUESTS = {
    "read": [("get", EXPERIMENTS), ("get", TONE), ("get", f"{TONE}summary/")],
    "write": [
        ("post", EXPERIMENTS),
        ("post", f"{TONE}start/"),
        ("post", f"{TONE}stop/"),
        ("post", f"{TONE}promote/"),
    ],
    "call": [("post", f"{TONE}assign/"), ("post", f"{TONE}outcomes/")],
}


@pytest.mark.parametrize("scope", ["read", "write", "call"])
@pytest.mark.parametrize("needed", REQUESTS)
def test_a_key_reaches_what_its_scope_says(draft, scope, needed):
    client = as_key(scope)
    for method, url in REQUESTS[needed]:
        answer = getattr(client, method)(url, {}, format="json")
        assert (answer.status_code == 403) is (scope != needed), (method, url)


@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [(None, False, False), ("Viewer", True, False), ("Editor", True, True)],
)
def test_people_reach_what_their_role_says(draft, role, may_read, may_write):
    client = as_person(role)
    assert (client.get(EXPERIMENTS).status_code == 200) is may_read
    for scope in ("write", "call"):
        for method, url in REQUESTS[scope]:
            answer = getattr(client, method)(url, {}, format="json")
            assert (answer.status_code != 403) is may_write, (method, url)
