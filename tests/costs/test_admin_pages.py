"""Pages of costs in the admin: amounts and words as people read them, in both languages."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from costs.models import Attempt, Budget, Call, Price
from devora_ops.common import audit
from devora_ops.common.formats import NARROW_SPACE as THIN
from devora_ops.common.ids import first_uuid7_at
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
