"""Budgets' pages in the admin: their steps, where they stand, and last month's replay."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from costs.models import Budget, Price
from llm.models import Route
from llm.services import model_ensure, provider_ensure, route_ensure
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

LIST = "/admin/costs/budget/"
PREVIEW = f"{LIST}preview/"
FORM = {
    "name": "Care",
    "limit_usd": "10",
    "period": "month",
    "time_zone": "UTC",
    "hard": "on",
    "alert_steps": "50",
    "route_down_at": "60",
    "route_down_to": "cheap",
    "cache_only_at": "90",
}


@pytest.fixture(autouse=True)
def cheap():
    provider = provider_ensure(
        slug="there", kind="compatible", base_url="https://there.example/v1", secret="s"
    )
    model = model_ensure(provider=provider, name="small")
    Price.objects.create(
        model="there/small", input=Decimal(1), source="t", valid_from=timezone.now()
    )
    return route_ensure(slug="cheap", targets=[model])


@pytest.fixture
def editor():
    return as_person("Editor")


def last_month(day):
    first = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - dt.timedelta(days=1)).replace(day=day, hour=10)


def spend(budget, spent):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO costs_counter (budget_id, period_start, spent) VALUES "
            "(%s, costs_period_start('month', 'UTC', now()), %s)",
            [budget.pk, spent],
        )


def test_the_form_takes_steps_and_refuses_those_that_make_no_sense(editor):
    assert editor.post(f"{LIST}add/", FORM).status_code == 302
    budget = Budget.objects.get()
    assert (budget.route_down_at, budget.route_down_to) == (60, "cheap")
    assert budget.cache_only_at == 90
    for wrong, told in (
        ({"route_down_to": "nobody"}, "There is no route or model “nobody”"),
        ({"route_down_at": ""}, "Say from which percentage on."),
        ({"cache_only_at": "50"}, "Routing down comes first"),
        ({"cache_only_at": "101"}, "The limit itself refuses calls: name 100 at most."),
    ):
        answer = editor.post(f"{LIST}add/", {**FORM, "name": "Bad", **wrong})
        assert answer.status_code == 200
        assert told in answer.content.decode()
    assert Budget.objects.count() == 1


def test_a_new_budget_alerts_at_the_usual_steps_unless_it_says_otherwise(editor):
    form = editor.get(f"{LIST}add/").context["adminform"].form
    assert 'value="50,80,100"' in str(form["alert_steps"])


def test_the_list_shows_money_and_shares_as_people_read_them(editor):
    editor.post(f"{LIST}add/", {**FORM, "limit_usd": "1000"})
    spend(Budget.objects.get(), "260.75808576")
    assert "$260.76 (26%)" in editor.get(LIST).content.decode()
    french = editor.get(LIST, headers={"Accept-Language": "fr"}).content.decode()
    assert "260,76\u202f$ (26\u202f%)" in french


def test_a_changed_scope_says_that_what_was_spent_stays_counted(editor):
    editor.post(f"{LIST}add/", FORM)
    path = f"{LIST}{Budget.objects.get().pk}/change/"
    told = "under the former scope stays counted"
    same = editor.post(path, {**FORM, "limit_usd": "20"}, follow=True)
    assert told not in same.content.decode()
    other = editor.post(path, {**FORM, "team": "care"}, follow=True)
    assert told in other.content.decode()


def test_the_list_says_which_step_a_budget_stands_at(editor):
    editor.post(f"{LIST}add/", FORM)
    assert "Calls pass" in editor.get(LIST).content.decode()
    spend(Budget.objects.get(), 7)
    assert "Calls go to a cheaper route" in editor.get(LIST).content.decode()
    Route.objects.update(is_active=False)
    shown = editor.get(LIST).content.decode()
    assert "Calls pass · There is no route or model “cheap”" in shown


def test_a_budget_whose_target_has_gone_can_still_be_changed(editor):
    editor.post(f"{LIST}add/", FORM)
    Route.objects.update(is_active=False)
    path = f"{LIST}{Budget.objects.get().pk}/change/"
    assert editor.post(path, {**FORM, "limit_usd": "20"}).status_code == 302
    assert Budget.objects.get().limit_usd == 20


def test_the_preview_says_in_sentences_what_would_have_been(editor):
    record(*(settled(last_month(day), cost="1.00") for day in range(1, 13)))
    shown = editor.post(PREVIEW, {**FORM, "name": ""}).content.decode()
    day = last_month(1)
    assert "12 calls fell under this budget: $12.00." in shown
    assert f"It would have warned at 50% on {day:%m}/05/{day:%Y} 10 a.m." in shown
    assert "From 60% on, it would have routed calls down to cheap: on" in shown
    assert "That is 3 calls (25.0%), which cost $3.00." in shown
    assert "From 90% on, it would have given cached answers only: on" in shown
    assert "It would have refused 3 calls (25.0%), which cost $3.00." in shown
    assert not Budget.objects.exists()


def test_a_days_budget_is_summed_up(editor):
    record(*(settled(last_month(day), cost="30") for day in (1, 2)))
    form = {**FORM, "period": "day", "route_down_at": "", "route_down_to": ""}
    shown = editor.post(PREVIEW, {**form, "cache_only_at": ""}).content.decode()
    assert "It would have refused calls at its limit in 2 periods, first on" in shown
    assert "It would have refused 2 calls (100.0%), which cost $60.00." in shown


def test_without_traffic_the_preview_says_so(editor):
    shown = editor.post(PREVIEW, FORM).content.decode()
    assert "no call fell under this budget." in shown
    assert "The budget would have done nothing." in shown


def test_the_preview_says_what_is_wrong_with_the_form(editor):
    wrong = {"limit_usd": "much", "route_down_to": "nobody", "time_zone": "Moon/Sea"}
    shown = editor.post(PREVIEW, {**FORM, **wrong}).content.decode()
    for told in ("Enter a number.", "There is no route or model", "time zone"):
        assert told in shown
    apart = editor.post(PREVIEW, {**FORM, "experiment": "e"}).content.decode()
    assert "this budget cannot be previewed." in apart


def test_the_preview_is_offered_to_who_can_change_budgets(editor):
    budget = Budget.objects.create(name="Care", limit_usd=10)
    viewer = as_person("Viewer")
    change = f"{LIST}{budget.pk}/change/"
    assert f'hx-post="{PREVIEW}"' in editor.get(change).content.decode()
    assert f'hx-post="{PREVIEW}"' in editor.get(f"{LIST}add/").content.decode()
    assert PREVIEW not in viewer.get(change).content.decode()
    assert viewer.post(PREVIEW, FORM).status_code == 403
