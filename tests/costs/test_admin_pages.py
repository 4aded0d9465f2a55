"""Pages of costs in the admin: amounts and words as people read them, in both languages."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from costs.models import Alert, Attempt, Budget, Call, Hold, Price
from devora_ops.common import audit
from devora_ops.common.formats import NARROW_SPACE as THIN
from devora_ops.common.ids import first_uuid7_at, uuid7
from devora_ops.common.models import OutboxMessage
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db
FRENCH = {"Accept-Language": "fr"}


def page(address, **headers):
    answer = as_person("Editor").get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def call():
    settlement = settled(timezone.now(), cost="0.00230875", ms=3483, tokens=(1200, 40))
    record(settlement)
    return settlement.call


def test_a_price_is_shown_per_million_tokens():
    price = Price.objects.create(
        model="openai/x",
        valid_from=dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        input=Decimal("0.000010"),
        output=Decimal("0.00005"),
        web_search=Decimal("0.01"),
        source="list",
    )
    shown = page(f"/admin/costs/price/{price.pk}/change/")
    for amount in ("$10.00", "$50.00", "$0.01"):
        assert amount in shown
    assert "0.000010" not in shown


def test_a_calls_page_writes_money_times_and_words(call):
    shown = page(f"/admin/costs/call/{call.id}/change/")
    for text in ("$0.00230875", f"3.48{THIN}s", "1,200", "Streamed"):
        assert text in shown
    assert "2308000" not in shown
    assert "&#x27;ok&#x27;" not in shown


def test_a_budgets_form_takes_steps_and_addresses_with_commas_between():
    form = {
        "name": "Care",
        "limit_usd": "10",
        "period": "month",
        "time_zone": "UTC",
        "alert_steps": "80, 50,80",
        "alert_emails": "a@b.co, c@d.co",
        "alert_forecast": "on",
    }
    editor = as_person("Editor")
    assert editor.post("/admin/costs/budget/add/", form).status_code == 302
    budget = Budget.objects.get()
    assert budget.alert_steps == [50, 80]
    assert budget.alert_emails == ["a@b.co", "c@d.co"]
    assert (budget.alert_forecast, budget.alert_slack) == (True, False)
    shown = page(f"/admin/costs/budget/{budget.pk}/change/")
    assert "50,80" in shown
    assert "a@b.co,c@d.co" in shown
    bad = {**form, "name": "Bad", "alert_steps": "50, many", "alert_emails": "nobody"}
    assert editor.post("/admin/costs/budget/add/", bad).status_code == 200
    assert Budget.objects.count() == 1


def test_an_alerts_page_says_who_was_told_and_who_was_not():
    budget = Budget.objects.create(name="Care", limit_usd=100, time_zone="Europe/Paris")
    alert = Alert.objects.create(
        budget=budget,
        name="Care",
        kind="actual",
        step=80,
        period_start=dt.datetime(2026, 10, 31, 23, tzinfo=dt.UTC),
        limit_usd=100,
        spent_usd=Decimal("81.5"),
        crossed_at=timezone.now(),
    )
    untold = page(f"/admin/costs/alert/{alert.pk}/change/")
    assert "neither mail nor Slack" in untold
    assert "11/01/2026 midnight" in untold
    for address, more in (
        ("ada@b.co", {"done_at": timezone.now(), "attempts": 1}),
        ("bob@b.co", {"given_up_at": timezone.now(), "last_error": "it is refused"}),
        ("eve@b.co", {"attempts": 2, "last_error": "not now"}),
        ("zoe@b.co", {}),
    ):
        OutboxMessage.objects.create(
            kind="alert.email",
            payload={"alert": alert.pk, "to": address},
            dedup_key=f"alert.email:{alert.pk}:{address}",
            **more,
        )
    shown = page(f"/admin/costs/alert/{alert.pk}/change/")
    assert "(&#x27;" not in shown
    for text in ("ada@b.co: sent on", "it is refused", "tried 2 times", "on its way"):
        assert text in shown
    lower = Alert.objects.create(
        budget=budget,
        name="Care",
        kind="actual",
        step=50,
        period_start=alert.period_start,
        limit_usd=100,
        spent_usd=alert.spent_usd,
        crossed_at=alert.crossed_at,
        told_with=alert,
    )
    also = page(f"/admin/costs/alert/{lower.pk}/change/")
    assert "With the step that was crossed at once: 80%" in also
    assert "ada@b.co: sent on" in also
    listed = page("/admin/costs/alert/")
    for text in ("Care", "80%", "$81.50", "$100.00"):
        assert text in listed


def hold_of(counter):
    return Hold.objects.create(
        attempt_id=uuid7(),
        call_id=first_uuid7_at(timezone.now()),
        owner=first_uuid7_at(timezone.now()),
        created_at=timezone.now() - dt.timedelta(seconds=12),
        amount=Decimal("0.0123"),
        counters=[counter.pk],
        facts={"model": "openai/gpt-5", "who": {"agent": "bot", "team": "care"}},
    )


@pytest.fixture
def counter(db):
    budget = Budget.objects.create(name="Care", limit_usd=100)
    return budget.counters.create(period_start=timezone.now(), held=1)


def test_what_is_set_aside_is_listed_with_whose_it_is(counter):
    hold = hold_of(counter)
    words = ("$0.0123", "openai/gpt-5", "bot", "Care")
    listed, shown = (
        page("/admin/costs/hold/"),
        page(f"/admin/costs/hold/{hold.pk}/change/"),
    )
    assert [word for word in words if word not in listed] == []
    assert [word for word in words if word not in shown] == []


def test_many_holds_are_listed_with_as_many_queries_as_one(counter):
    def queries():
        person = as_person("Editor")
        with CaptureQueriesContext(connection) as captured:
            assert person.get("/admin/costs/hold/").status_code == 200
        return len(captured)

    hold_of(counter)
    one = queries()
    for _n in range(4):
        hold_of(counter)
    assert queries() == one


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hold", "No money is set aside: no call is under way."),
        ("alert", "No budget has crossed a step, and no hour was unusual."),
        ("attempt", "No model was asked yet."),
        ("call", "There is no call yet."),
    ],
)
def test_a_list_that_nobody_adds_to_asks_nobody_to_create_an_item(name, told):
    shown = page(f"/admin/costs/{name}/")
    assert told in shown
    assert "Create a new item" not in shown


def test_a_list_that_is_filtered_to_nothing_offers_to_remove_the_filters(call):
    shown = page("/admin/costs/call/?q=00000000-0000-0000-0000-000000000000")
    assert "Nothing matches" in shown
    assert "Remove the filters" in shown


@pytest.fixture
def odd_call(call):
    Call.objects.filter(id=call.id).update(anomaly="total_differs")
    record(settled(timezone.now(), agent="even"))
    return call


@pytest.mark.parametrize("kind", ["any", "total_differs"])
def test_calls_that_do_not_add_up_are_found_by_their_label(odd_call, kind):
    shown = page(f"/admin/costs/call/?anomaly={kind}")
    assert shown.count("Total is not the sum") == 2  # the filter's too
    assert str(odd_call.id) in shown
    assert ">even<" not in shown
    assert ">even<" in page("/admin/costs/call/")


@pytest.mark.parametrize("kind", ["count_invalid", "any"])
def test_a_kind_that_no_call_has_finds_none(call, kind):
    assert str(call.id) not in page(f"/admin/costs/call/?anomaly={kind}")


@pytest.mark.parametrize("kind", ["strange", ""])
def test_a_kind_that_is_none_filters_nothing(call, kind):
    assert str(call.id) in page(f"/admin/costs/call/?anomaly={kind}")


def test_what_does_not_add_up_is_on_its_calls_and_its_attempts_page(odd_call):
    attempt = Attempt.objects.create(
        id=first_uuid7_at(timezone.now()),
        call_id=odd_call.id,
        number=1,
        state="settled",
        settled_at=timezone.now(),
        latency_ms=20,
        anomaly="cached_above_input",
        book_usd=Decimal("0.0021"),
    )
    words = "Cached above input"
    details = page(f"/admin/costs/attempt/{attempt.id}/change/")
    for text in (words, "By our prices", "$0.0021"):
        assert text in details
    shown = page(f"/admin/costs/call/{odd_call.id}/change/")
    assert words in shown
    assert "Total is not the sum" in shown
    assert "total_differs" not in shown
    assert words in page("/admin/costs/attempt/?anomaly=any")


def test_a_calls_page_is_french_for_the_french(call):
    Attempt.objects.create(
        id=first_uuid7_at(timezone.now()),
        call_id=call.id,
        number=1,
        model="openai/x",
        state="settled",
        settled_at=timezone.now(),
        latency_ms=20,
        cost_usd=Decimal("0.002308"),
    )
    shown = page(f"/admin/costs/call/{call.id}/change/", **FRENCH)
    for text in ("Modèle demandé", "Jetons en entrée", f"0,002308{THIN}$", "Non"):
        assert text in shown
    for english in ("Requested", "Http status", "Latency", "0.002308", "$0"):
        assert english not in shown


def test_a_list_of_calls_has_seconds_and_the_overviews_units(call):
    shown = page("/admin/costs/call/")
    local = timezone.localtime(call.finished_at, timezone.get_fixed_timezone(60))
    assert f"{local:%M:%S}" in shown
    assert f"3.48{THIN}s" in shown
    assert "$0.002309" in shown


def test_the_audit_log_is_french_for_the_french():
    audit.record(actor="ada", action="export", object_type="chart", object_id="cost")
    answer = as_person("Owner").get("/admin/ops/auditentry/", headers=FRENCH)
    shown = answer.content.decode()
    for text in ("Auteur", "Genre d’objet"):
        assert text in shown
    assert "Object type" not in shown


def test_a_budgets_limit_is_written_with_cents():
    budget = Budget.objects.create(name="Care", limit_usd=Decimal("5.3"))
    shown = page(f"/admin/costs/budget/{budget.pk}/change/")
    assert 'value="5.30"' in shown
