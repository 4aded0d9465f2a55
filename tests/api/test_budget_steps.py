"""A budget's steps over REST: what they may be, and where the budget stands."""

from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from costs.models import Budget, Price
from devora_ops.common.models import AuditEntry
from llm.models import Model, Route
from llm.services import model_ensure, provider_ensure, route_ensure
from tests.api.callers import as_key

pytestmark = pytest.mark.django_db

BUDGETS = "/api/v1/budgets/"
GOOD = {
    "name": "Care",
    "limit_usd": "10",
    "period": "month",
    "route_down_at": 60,
    "route_down_to": "cheap",
    "cache_only_at": 90,
    "alerts": {"steps": [30]},
}


@pytest.fixture
def api():
    return as_key("admin")


@pytest.fixture(autouse=True)
def cheap():
    provider = provider_ensure(
        slug="there", kind="compatible", base_url="https://there.example/v1", secret="s"
    )
    model_ensure(provider=provider, name="free")
    model = model_ensure(provider=provider, name="small")
    Price.objects.create(
        model="there/small", input=Decimal(1), source="t", valid_from=timezone.now()
    )
    return route_ensure(slug="cheap", targets=[model])


def post(api, **fields):
    return api.post(BUDGETS, {**GOOD, **fields}, format="json")


def spend(budget, spent, held=0):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO costs_counter (budget_id, period_start, spent, held) VALUES "
            "(%s, costs_period_start('month', 'UTC', now()), %s, %s) "
            "ON CONFLICT (budget_id, period_start) DO UPDATE "
            "SET spent = excluded.spent, held = excluded.held",
            [budget["id"], spent, held],
        )


def test_steps_come_back_as_they_were_made_and_are_audited(api):
    answer = post(api)
    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in GOOD if name != "alerts"} == {
        name: value for name, value in GOOD.items() if name != "alerts"
    }
    assert (made["stands_at"], made["route_down_fault"]) == ("none", "")
    entry = AuditEntry.objects.get(action="budget.create")
    assert entry.after["route_down_to"] == "cheap"
    path = f"{BUDGETS}{made['id']}/"
    assert api.put(path, made, format="json").json()["cache_only_at"] == 90
    without = {"route_down_at": None, "route_down_to": "", "cache_only_at": None}
    changed = api.patch(path, without, format="json").json()
    assert {name: changed[name] for name in without} == without


def test_a_budget_without_steps_has_none(api):
    made = api.post(
        BUDGETS, {"name": "b", "limit_usd": 1, "period": "day"}, format="json"
    ).json()
    assert (made["route_down_at"], made["route_down_to"]) == (None, "")
    assert made["cache_only_at"] is None


@pytest.mark.parametrize(
    ("fields", "attr"),
    [
        ({"route_down_at": 0}, "route_down_at"),
        ({"route_down_at": "60"}, "route_down_at"),
        ({"route_down_at": None}, "route_down_at"),
        ({"route_down_at": 95}, "cache_only_at"),
        ({"route_down_at": 101, "cache_only_at": None}, "route_down_at"),
        ({"cache_only_at": 101}, "cache_only_at"),
        ({"cache_only_at": 1001, "hard": False}, "cache_only_at"),
        ({"route_down_to": ""}, "route_down_to"),
        ({"route_down_to": "nobody/knows"}, "route_down_to"),
        ({"route_down_to": "there/free"}, "route_down_to"),
        ({"route_down_to": "a\u0000b"}, "route_down_to"),
        ({"route_down_to": "x" * 301}, "route_down_to"),
    ],
)
def test_steps_that_make_no_sense_are_refused(api, fields, attr):
    answer = post(api, **fields)
    assert answer.status_code == 400
    assert attr in {error["attr"] for error in answer.json()["errors"]}
    assert not Budget.objects.exists()


def test_a_soft_budget_takes_steps_beyond_its_limit(api):
    made = post(api, hard=False, route_down_at=150, cache_only_at=300)
    assert made.status_code == 201


def test_a_model_will_do_as_a_target(api):
    assert post(api, route_down_to="there/small").status_code == 201


def test_it_says_which_step_it_stands_at(api):
    budget = post(api).json()
    path = f"{BUDGETS}{budget['id']}/"
    for spent, held, stage in (
        (0, 0, "none"),
        (2, 3, "none"),  # people are warned of what is spent
        (3, 0, "warn"),
        (3, 3, "route_down"),
        (9, 0, "cache_only"),
        (9, 1, "block"),
    ):
        spend(budget, spent, held)
        assert api.get(path).json()["stands_at"] == stage
    api.patch(path, {"hard": False}, format="json")
    assert api.get(path).json()["stands_at"] == "cache_only"


def test_a_limit_of_nothing_warns_nobody(api):
    none = {"route_down_at": None, "route_down_to": "", "cache_only_at": None}
    made = post(api, limit_usd="0", hard=False, **none)
    assert made.json()["stands_at"] == "none"


def test_a_target_that_went_later_is_shown_and_hinders_no_other_change(api):
    budget = post(api).json()
    path = f"{BUDGETS}{budget['id']}/"
    Route.objects.update(is_active=False)
    changed = api.patch(path, {"limit_usd": 20}, format="json")
    assert changed.status_code == 200
    assert "no route or model “cheap”" in changed.json()["route_down_fault"]
    Route.objects.update(is_active=True)
    assert api.get(path).json()["route_down_fault"] == ""
    Model.objects.update(is_active=False)
    (listed,) = api.get(BUDGETS).json()["results"]
    assert listed["route_down_fault"]
