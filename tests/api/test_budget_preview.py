"""What a budget would have done last month, from the ledger's own sums."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from costs.models import Budget
from devora_ops.common.models import AuditEntry, Team
from tests.api.callers import as_key
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

PREVIEW = "/api/v1/budgets/preview/"
PARIS = ZoneInfo("Europe/Paris")
BODY = {
    "name": "Care",
    "limit_usd": "10",
    "period": "month",
    "time_zone": "Europe/Paris",
    "alerts": {"steps": [50, 80]},
}


@pytest.fixture
def api():
    return as_key("read")


def last_month(day=1, hour=0, minute=0, *, zone=PARIS):
    now = timezone.now().astimezone(zone)
    end = dt.datetime(now.year, now.month, 1, tzinfo=zone) - dt.timedelta(days=1)
    return dt.datetime(end.year, end.month, day, hour, minute, tzinfo=zone)


def preview(api, **fields):
    answer = api.post(PREVIEW, {**BODY, **fields}, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def moments(found):
    (period,) = found["periods"]
    return {
        (step["effect"], step["at"]): dt.datetime.fromisoformat(step["when"])
        for step in period["steps"]
    }


def test_it_says_when_each_step_would_have_been_reached_and_writes_nothing(api):
    record(*(settled(last_month(day), cost="1.00") for day in range(1, 21)))
    found = preview(api)
    assert (found["calls"], found["cost_usd"]) == (20, "20")
    assert moments(found) == {
        ("warn", 50): last_month(5),
        ("warn", 80): last_month(8),
        ("block", 100): last_month(11),
    }
    assert found["refused"] == {"calls": 10, "usd": "10", "share": 0.5}
    assert found["periods"][0]["spent_usd"] == "10"
    assert dt.datetime.fromisoformat(found["start"]) == last_month()
    assert not Budget.objects.exists()
    assert not AuditEntry.objects.filter(action__startswith="budget.").exists()


def test_its_figures_are_those_of_every_single_call(api):
    costs = ["0.30", "0.07", "1.10", "0.02"]
    calls = [
        (last_month(1 + number // 20, number % 20), costs[number % 4])
        for number in range(400)
    ]
    record(*(settled(at, cost=cost) for at, cost in calls))
    limit, spent, refused = Decimal(50), Decimal(0), []
    for _at, cost in calls:
        if spent + Decimal(cost) <= limit:
            spent += Decimal(cost)
        else:
            refused.append(Decimal(cost))
    found = preview(api, limit_usd="50")
    assert Decimal(found["periods"][0]["spent_usd"]) == spent
    assert found["refused"]["calls"] == len(refused)
    assert Decimal(found["refused"]["usd"]) == sum(refused)


def test_only_what_the_scope_covers_counts(api):
    at = last_month(3)
    record(
        settled(at, agent="mine", user="u-1", model="p/x", prompt="q", cost="1"),
        settled(at, agent="mine", user="u-2", model="p/y", cost="2"),
        settled(at, agent="other", team="away", cost="4"),
    )
    for scope, cost in (
        ({}, "7"),
        ({"agent": "mine"}, "3"),
        ({"team": "away"}, "4"),
        ({"user": "u-2"}, "2"),
        ({"model": "p/x", "prompt": "q"}, "1"),
        ({"agent": "nobody"}, "0"),
    ):
        assert preview(api, scope=scope)["cost_usd"] == cost


def test_a_demos_spend_counts_in_its_own_budgets_alone(api):
    Team.objects.create(slug="show", name="Show", is_demo=True)
    record(settled(last_month(3), team="show", cost="5"))
    assert preview(api)["cost_usd"] == "0"
    assert preview(api, scope={"team": "show"})["cost_usd"] == "5"


def test_cached_answers_are_left_alone_from_the_caches_step_on(api):
    record(
        settled(last_month(1), cost="9"),
        settled(last_month(2), status="cached", saved="9"),
        settled(last_month(3), cost="1"),
    )
    found = preview(api, cache_only_at=90)
    assert found["cache_only"] == {"calls": 1, "usd": "1", "share": 0.5}
    assert found["refused"]["calls"] == 0


def test_each_day_of_a_days_budget_begins_anew(api):
    record(*(settled(last_month(day, 23), cost="6") for day in (1, 1, 2)))
    found = preview(api, period="day")
    starts = [dt.datetime.fromisoformat(each["start"]) for each in found["periods"]]
    assert starts == [last_month(1), last_month(2)]
    assert found["refused"] == {"calls": 1, "usd": "6", "share": pytest.approx(1 / 3)}


@pytest.mark.parametrize("period", ["quarter", "total"])
def test_a_longer_period_is_taken_to_begin_with_the_month(api, period):
    record(*(settled(last_month(day), cost="6") for day in (1, 2)))
    found = preview(api, period=period)
    (only,) = found["periods"]
    assert dt.datetime.fromisoformat(only["start"]) == last_month()
    assert found["refused"]["calls"] == 1


def test_a_week_that_runs_into_the_month_is_replayed_whole(api):
    monday = last_month() - dt.timedelta(days=last_month().weekday())
    record(settled(monday, cost="6"), settled(last_month(), cost="6"))
    found = preview(api, period="week")
    assert dt.datetime.fromisoformat(found["periods"][0]["start"]) == monday
    assert found["refused"]["calls"] == 1


def test_the_running_month_will_do_while_nobody_called_last_month(api):
    now = timezone.now()
    record(settled(now - dt.timedelta(minutes=1), cost="1"))
    found = preview(api, time_zone="UTC")
    if now.day > 1:
        assert found["cost_usd"] == "1"
    assert dt.datetime.fromisoformat(found["end"]) >= now - dt.timedelta(minutes=1)


def test_a_name_that_is_taken_can_be_previewed(api):
    Budget.objects.create(name="Care", limit_usd=1)
    assert preview(api)["calls"] == 0


@pytest.mark.parametrize(
    ("fields", "attr"),
    [
        ({"scope": {"experiment": "e"}}, "scope"),
        ({"scope": {"user": "u", "prompt": "p"}}, "scope"),
        ({"route_down_at": 50, "route_down_to": "nobody"}, "route_down_to"),
        ({"cache_only_at": 101}, "cache_only_at"),
        ({"limit_usd": "-1"}, "limit_usd"),
        ({"period": "year"}, "period"),
    ],
)
def test_what_cannot_be_previewed_says_why(api, fields, attr):
    answer = api.post(PREVIEW, {**BODY, **fields}, format="json")
    assert answer.status_code == 400
    assert {error["attr"] for error in answer.json()["errors"]} == {attr}
