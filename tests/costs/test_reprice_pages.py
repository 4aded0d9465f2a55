"""Repricing in the admin: what it comes to is shown before anything is posted."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from costs.models import Price
from costs.pricing import Usage
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_person
from tests.costs.test_price_pages import Fields
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

PAGE = "/admin/costs/price/reprice/"
MODEL = "a/small"


def price(days_ago, rate):
    moment = timezone.now() - dt.timedelta(days=days_ago)
    return Price.objects.create(
        model=MODEL, valid_from=moment, input=Decimal(rate), output=0, source="list"
    )


@pytest.fixture
def owner():
    old = price(9, "0.001")
    settlement = settled(timezone.now() - dt.timedelta(hours=1), model=MODEL)
    attempt = settlement.attempts[-1]
    attempt.usage, attempt.price_id = Usage(input=100), old.pk
    attempt.cost_usd = Decimal("0.1")
    record(settlement)
    price(2, "0.002")
    return as_person("Owner")


def ask(owner, **changes):
    today = timezone.now().date()
    form = {"model": MODEL, "first_day": today - dt.timedelta(days=2)}
    return owner.post(PAGE, {**form, "last_day": today, **changes})


def posted():
    with connection.cursor() as cursor:
        cursor.execute("SELECT cost_usd, posted_by FROM costs_adjustment")
        return cursor.fetchall()


def test_the_book_leads_an_owner_there_and_nobody_else(owner):
    book = "/admin/costs/price/"
    assert PAGE in owner.get(book).content.decode()
    assert PAGE not in as_person("Editor").get(book).content.decode()
    assert owner.get(f"{PAGE}?model={MODEL}").status_code == 200


def test_a_preview_says_what_it_comes_to_and_posts_nothing(owner):
    page = ask(owner).content.decode()
    assert "cost $0.10; by today's price book they cost $0.20." in page
    assert "Cost something else by today&#x27;s book" in page
    assert "1 adjustment would be posted: $0.10." in page
    assert posted() == []


def test_what_was_shown_is_posted_once_it_is_confirmed(owner):
    sealed = Fields(ask(owner).content.decode()).value("asked")
    assert owner.post(PAGE, {"asked": sealed}).status_code == 302
    ((cost, actor),) = posted()
    assert cost == Decimal("0.1")
    assert actor.startswith("user:")
    assert AuditEntry.objects.filter(action="price.reprice").count() == 1
    assert "There is nothing to post." in ask(owner).content.decode()


def test_a_sum_that_changed_since_is_shown_instead_of_posted(owner):
    sealed = Fields(ask(owner).content.decode()).value("asked")
    price(1, "0.004")
    page = owner.post(PAGE, {"asked": sealed}).content.decode()
    assert "nothing was posted" in page
    assert "$0.40" in page
    assert posted() == []
    assert not AuditEntry.objects.filter(action="price.reprice").exists()
    again = Fields(page).value("asked")
    assert owner.post(PAGE, {"asked": again}).status_code == 302
    assert [cost for cost, _ in posted()] == [Decimal("0.3")]


WRONG = {
    "a model without a price": ({"model": "a/none"}, "model"),
    "a model with NUL": ({"model": "a/\0"}, "model"),
    "no model": ({"model": ""}, "model"),
    "no day": ({"first_day": ""}, "first_day"),
    "an ambiguous day": ({"first_day": "01/02/2026"}, "first_day"),
    "a day of Caesar": ({"first_day": "0001-01-01"}, "first_day"),
    "a day of nobody": ({"last_day": "9999-12-31"}, "last_day"),
    "days in the wrong order": ({"last_day": "2020-01-01"}, "last_day"),
}


@pytest.mark.parametrize(("changes", "field"), WRONG.values(), ids=WRONG.keys())
def test_what_means_nothing_is_an_error_of_the_form(owner, changes, field):
    answer = ask(owner, **changes)
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {field}


@pytest.mark.parametrize("sealed", ["", "forged", "a:b:c", "\0"])
def test_what_was_not_shown_is_not_posted(owner, sealed):
    assert owner.post(PAGE, {"asked": sealed}).status_code == 302
    assert posted() == []


def test_the_book_names_what_was_called_before_it_had_a_price(owner):
    unpriced = settled(timezone.now() - dt.timedelta(hours=1), model=MODEL)
    unpriced.attempts[-1].cost_usd = None
    record(unpriced)
    book = "/admin/costs/price/"
    assert f"{PAGE}?model=a/small" in owner.get(book).content.decode()
    assert f"{PAGE}?model" not in as_person("Editor").get(book).content.decode()
    owner.post(PAGE, {"asked": Fields(ask(owner).content.decode()).value("asked")})
    assert f"{PAGE}?model" not in owner.get(book).content.decode()


def test_an_editor_reprices_nothing(owner):
    editor = as_person("Editor")
    assert editor.get(PAGE).status_code == 403
    assert ask(editor).status_code == 403
