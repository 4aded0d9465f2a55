"""Alerts over REST: what was crossed, and who was told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from costs.alerts.crossings import notice
from costs.models import Budget
from devora_ops.common.models import OutboxMessage
from tests.api.callers import as_key, codes_of

ALERTS = "/api/v1/alerts/"


@pytest.fixture
def api(db):
    return as_key("read")


@pytest.fixture
def crossed(db, settings):
    settings.EMAIL_URL, settings.SLACK_WEBHOOK_URL = "smtp://127.0.0.1", ""
    budget = Budget.objects.create(
        name="Care",
        limit_usd=10,
        alert_emails=["lead@example.com"],
        alert_forecast=False,
    )
    budget.counters.create(
        period_start=timezone.now() - timedelta(days=27),
        period_end=timezone.now() + timedelta(days=3),
        spent=9,
    )
    notice()
    return budget


def results(api, query=""):
    return api.get(f"{ALERTS}?{query}").json()["results"]


def test_a_step_says_what_was_crossed_and_that_it_is_on_its_way(api, crossed):
    (newest, older) = results(api)
    assert {newest["step_percent"], older["step_percent"]} == {50, 80}
    assert (newest["budget"], newest["kind"]) == (crossed.pk, "actual")
    assert (newest["spent_usd"], newest["limit_usd"]) == ("9", "10")
    assert (newest["step_percent"], newest["told_with"]) == (80, None)
    assert older["told_with"] == newest["id"]
    assert older["told"] == newest["told"]
    (told,) = newest["told"]
    assert (told["channel"], told["sent_at"], told["tries"]) == ("email", None, 0)
    assert "lead@example.com" not in api.get(ALERTS).text


def test_who_was_told_and_who_could_not_be_is_said(api, crossed):
    OutboxMessage.objects.update(given_up_at=timezone.now(), last_error="refused")
    assert {each["told"][0]["error"] for each in results(api)} == {"refused"}


def test_they_are_found_by_what_they_are_about(api, crossed):
    assert len(results(api, f"budget={crossed.pk}&kind=actual")) == 2
    assert results(api, f"budget={crossed.pk + 1}") == []
    assert results(api, "agent=bot") == []
    assert results(api, "kind=anomaly") == []
    assert results(api, "to=2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", ["kind=x", "budget=0", "budget=x", "from=x"])
def test_a_parameter_that_is_none_is_refused(api, query):
    answer = api.get(f"{ALERTS}?{query}")
    assert answer.status_code == 400
    assert codes_of(answer)
