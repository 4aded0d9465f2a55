"""What is wrong with the price book: holes, bills that differ, and prices grown old."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.utils import timezone

from costs import price_table
from costs.models import Price
from costs.price_watch import price_ages
from devora_ops.quality_metrics import QualityMetrics
from tests.api.callers import as_key, as_person
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db
BOOK = "/admin/costs/price/"


@pytest.fixture
def api():
    cache.delete("costs.price_drift")
    return as_key("read")


def tried(model, *, cost, book=None, days_ago=1):
    """Let an attempt be billed, or have no cost at all."""
    settlement = settled(timezone.now() - dt.timedelta(days=days_ago), model=model)
    attempt = settlement.attempts[-1]
    attempt.cost_usd = None if cost is None else Decimal(cost)
    attempt.book_usd = None if book is None else Decimal(book)
    record(settlement)


def priced(model, **fields):
    given = {"input": Decimal("0.000001"), "source": "list"}
    given["valid_from"] = timezone.now() - dt.timedelta(days=1)
    return Price.objects.create(model=model, **{**given, **fields})


def results(api, name):
    answer = api.get(f"/api/v1/prices/{name}/")
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_models_that_were_called_without_a_price_are_named(api):
    for _ in range(2):
        tried("x/hole", cost=None)
    tried("x/filled", cost=None)
    tried("x/known", cost="0.1")
    tried("x/long-ago", cost=None, days_ago=31)
    priced("x/filled")
    found = results(api, "unpriced")
    assert [(r["model"], r["attempts"], r["priced_now"]) for r in found] == [
        ("x/hole", 2, False),
        ("x/filled", 1, True),
    ]


def test_a_price_of_tomorrow_fills_no_hole_today(api):
    tried("x/hole", cost=None)
    priced("x/hole", valid_from=timezone.now() + dt.timedelta(days=1))
    assert results(api, "unpriced")[0]["priced_now"] is False


def test_bills_stand_beside_what_our_prices_say(api):
    tried("r/near", cost="1.005", book="1")
    tried("r/far", cost="1.5", book="1")
    tried("r/far", cost="1", book="1")
    tried("r/free", cost="0.2", book="0")
    tried("r/by-the-book", cost="5")
    tried("r/long-ago", cost="9", book="1", days_ago=31)
    assert results(api, "drift") == [
        {
            "model": "r/far",
            "attempts": 2,
            "billed_usd": "2.5",
            "book_usd": "2",
            "difference_usd": "0.5",
            "percent": "25.00",
        },
        {
            "model": "r/free",
            "attempts": 1,
            "billed_usd": "0.2",
            "book_usd": "0",
            "difference_usd": "0.2",
            "percent": None,
        },
        {
            "model": "r/near",
            "attempts": 1,
            "billed_usd": "1.005",
            "book_usd": "1",
            "difference_usd": "0.005",
            "percent": "0.50",
        },
    ]


def test_the_book_shows_what_somebody_should_do(api):
    tried("x/hole", cost=None)
    tried("x/filled", cost=None)
    priced("x/filled")
    tried("r/near", cost="1.005", book="1")
    tried("r/far", cost="1.5", book="1")
    page = as_person("Editor").get(BOOK).content.decode()
    assert f"{BOOK}add/?model=x%2Fhole" in page
    assert "add/?model=x%2Ffilled" not in page
    assert "+50.0%" in page
    assert "r/near" not in page
    form = as_person("Editor").get(f"{BOOK}add/?model=x%2Fhole").content.decode()
    assert 'value="x/hole"' in form


def test_who_may_add_no_price_is_offered_none(api):
    tried("x/hole", cost=None)
    page = as_person("Viewer").get(BOOK).content.decode()
    assert "x/hole" in page
    assert "?model=x%2Fhole" not in page


def test_all_is_well_and_the_book_says_nothing(api):
    Price.objects.all().delete()
    priced("x/known")
    page = as_person("Viewer").get(BOOK).content.decode()
    assert "Old prices" not in page
    assert "without a price" not in page
    assert "differ from our prices" not in page


def aged(model, *, days, **fields):
    price = priced(model, **fields)
    at = timezone.now() - dt.timedelta(days=days)
    Price.objects.filter(pk=price.pk).update(created_at=at)


def test_a_price_is_as_old_as_its_being_entered_and_the_table_as_old_as_itself():
    Price.objects.all().delete()
    aged("a/one", days=100)
    aged("a/two", days=10)
    aged("b/one", days=61)
    aged("t/one", days=0, source="price_table.json (litellm)")
    found = {age.provider: age for age in price_ages()}
    now = timezone.now()
    assert (found["a"].days(now), found["a"].is_old(now)) == (10, False)
    assert (found["b"].days(now), found["b"].is_old(now)) == (61, True)
    assert found["t"].as_of == price_table.collected_at()


def test_old_prices_are_named_above_the_book(api):
    aged("old-provider/one", days=61)
    page = as_person("Viewer").get(BOOK).content.decode()
    assert "old-provider: 61 days" in page


async def test_prometheus_is_told_how_old_prices_are(committed_db):
    told = (await QualityMetrics(committed_db).text()).decode()
    (line,) = [
        each
        for each in told.splitlines()
        if each.startswith('devora_price_age_days{provider="anthropic"}')
    ]
    expected = (timezone.now() - price_table.collected_at()).days
    assert float(line.split()[1]) in (expected, expected - 1)
