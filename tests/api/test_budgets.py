"""Budgets over REST: made, changed under If-Match, removed once, audited."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from costs.models import Budget
from costs.services import create_budget
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_key, as_person, codes_of
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

BUDGETS = "/api/v1/budgets/"
GOOD = {
    "name": "Care",
    "limit_usd": "10.50",
    "period": "month",
    "time_zone": "Europe/Paris",
    "scope": {"team": "care", "user": "u-1"},
    "hard": True,
}


@pytest.fixture
def api():
    return as_key("admin")


@pytest.fixture
def budget(api):
    return api.post(BUDGETS, GOOD, format="json").json()


def test_it_comes_back_as_it_was_made(api, budget):
    again = api.get(f"{BUDGETS}{budget['id']}/").json()
    assert again == budget
    assert {name: again[name] for name in GOOD} == {**GOOD, "limit_usd": "10.5"}
    assert (again["spent_usd"], again["held_usd"]) == ("0", "0")


def test_an_empty_scope_is_everything(api):
    body = {"name": "All", "limit_usd": 5, "period": "total"}
    made = api.post(BUDGETS, body, format="json").json()
    assert made["scope"] == {}
    assert made["period_end"] is None
    assert made["hard"] is True
    assert made["time_zone"] == "UTC"


def test_it_alerts_at_the_usual_steps_unless_it_is_told_otherwise(api, budget):
    assert budget["alerts"] == {
        "steps": [50, 80, 100],
        "forecast": True,
        "emails": [],
        "slack": True,
        "snoozed_until": None,
    }
    told = {"steps": [90, 25, 90], "emails": ["a@b.co"], "slack": False}
    body = {**GOOD, "name": "Told", "alerts": told}
    made = api.post(BUDGETS, body, format="json").json()
    assert made["alerts"]["steps"] == [25, 90]
    assert made["alerts"]["emails"] == ["a@b.co"]
    assert (made["alerts"]["slack"], made["alerts"]["forecast"]) == (False, True)


def test_a_patch_of_its_alerts_leaves_the_others_as_they_are(api, budget):
    path = f"{BUDGETS}{budget['id']}/"
    until = "2030-01-02T03:04:05Z"
    changes = {"alerts": {"snoozed_until": until, "steps": []}}
    changed = api.patch(path, changes, format="json").json()
    assert changed["alerts"]["snoozed_until"] == until
    assert changed["alerts"]["steps"] == []
    assert changed["alerts"]["slack"] is True


@pytest.mark.parametrize(
    "alerts",
    [
        {"steps": [0]},
        {"steps": [1001]},
        {"steps": ["50"]},
        {"steps": 50},
        {"steps": [1] * 11},
        {"emails": ["nobody"]},
        {"emails": ["a@b.co\nBcc: c@d.co"]},
        {"slack": 1},
        {"snoozed_until": "tomorrow"},
        {"whom": "me"},
        [],
    ],
    ids=str,
)
def test_alerts_that_make_no_sense_are_refused(api, alerts):
    answer = api.post(BUDGETS, {**GOOD, "alerts": alerts}, format="json")
    assert answer.status_code == 400
    assert not Budget.objects.exists()


def test_the_list_shows_the_newest_first_and_pages_by_cursor(api):
    for n in range(3):
        create_budget(actor="t", name=f"b{n}", limit_usd=Decimal(1), period="day")
    first = api.get(f"{BUDGETS}?limit=2").json()
    assert [b["name"] for b in first["results"]] == ["b2", "b1"]
    second = api.get(first["next"]).json()
    assert [b["name"] for b in second["results"]] == ["b0"]
    assert second["next"] is None


def test_a_name_that_differs_in_case_alone_is_taken(api, budget):
    answer = api.post(BUDGETS, {**GOOD, "name": "CARE"}, format="json")
    assert answer.status_code == 400
    assert "exists" in answer.json()["errors"][0]["detail"]


def test_a_patch_changes_what_it_names(api, budget):
    path = f"{BUDGETS}{budget['id']}/"
    changed = api.patch(path, {"limit_usd": "20"}, format="json").json()
    assert changed["limit_usd"] == "20"
    assert changed["scope"] == GOOD["scope"]


def test_a_put_replaces_all(api, budget):
    path = f"{BUDGETS}{budget['id']}/"
    body = {"name": "Care", "limit_usd": "1", "period": "week"}
    changed = api.put(path, body, format="json").json()
    assert changed["scope"] == {}
    assert api.put(path, {"name": "x"}, format="json").status_code == 400


def test_a_body_that_was_read_can_be_put_back(api, budget):
    answer = api.put(f"{BUDGETS}{budget['id']}/", budget, format="json")
    assert answer.status_code == 200


def test_a_stale_if_match_is_412(api, budget):
    path = f"{BUDGETS}{budget['id']}/"
    seen = api.get(path).headers["ETag"]
    assert api.put(path, GOOD, format="json", HTTP_IF_MATCH=seen).status_code == 200
    for method in (api.put, api.patch):
        answer = method(path, GOOD, format="json", HTTP_IF_MATCH=seen)
        assert answer.status_code == 412
        assert codes_of(answer) == {"precondition_failed"}
    assert api.delete(path, HTTP_IF_MATCH=seen).status_code == 412
    assert api.delete(path, HTTP_IF_MATCH="*").status_code == 204


def test_a_second_delete_is_404(api, budget):
    path = f"{BUDGETS}{budget['id']}/"
    assert api.delete(path).status_code == 204
    again = api.delete(path)
    assert again.status_code == 404
    assert codes_of(again) == {"not_found"}


def test_every_write_is_audited_with_its_author(budget):
    editor = as_person("Editor")
    editor.patch(f"{BUDGETS}{budget['id']}/", {"hard": False}, format="json")
    entry = AuditEntry.objects.get(action="budget.change")
    assert entry.actor.startswith("user:Editor-")
    assert entry.before
    assert entry.after
    assert (entry.before["hard"], entry.after["hard"]) == (True, False)
    assert entry.request_id
    assert AuditEntry.objects.get(action="budget.create").actor.startswith("key:")


def test_what_was_spent_stays_counted_when_the_period_changes(api, budget):
    def counter(spent, start, zone="Europe/Paris"):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO costs_counter (budget_id, period_start, spent) VALUES "
                "(%s, costs_period_start(%s, %s, now()), %s)",
                [budget["id"], start, zone, spent],
            )

    path = f"{BUDGETS}{budget['id']}/"
    counter(4, "month")
    counter(100, "total")  # a past period that begins where the new one does
    for period in ("total", "quarter", "day", "month"):
        changed = api.patch(path, {"period": period}, format="json").json()
        assert (changed["period"], changed["spent_usd"]) == (period, "4")
    moved = api.patch(path, {"time_zone": "Asia/Tokyo"}, format="json").json()
    assert moved["spent_usd"] == "4"


def test_a_zone_that_postgres_does_not_know_is_refused():
    with pytest.raises(InvalidRequest) as refusal:
        create_budget(
            actor="t", name="b", limit_usd=1, period="day", time_zone="Moon/Sea"
        )
    assert refusal.value.param == "time_zone"
    assert not Budget.objects.exists()


def test_a_budget_says_where_it_is_heading(api):
    made = api.post(BUDGETS, {**GOOD, "scope": {"team": "care"}}, format="json").json()
    address = f"{BUDGETS}{made['id']}/forecast/"
    early = api.get(address).json()
    assert (early["method"], early["forecast_usd"]) == ("none", None)
    now = timezone.now()
    for day in range(1, 11):
        when = now - timedelta(days=day)
        record(settled(when, team="care", cost="2"), settled(when, team="x", cost="9"))
    said = api.get(address).json()
    assert said["method"] == "weekdays"
    ends = parse_datetime(said["period_end"])
    left = (ends - now) / timedelta(days=1)
    assert abs(float(said["forecast_usd"]) - 2 * left) < 0.2
    assert float(said["low_usd"]) <= float(said["forecast_usd"])
    assert float(said["high_usd"]) >= float(said["forecast_usd"])
