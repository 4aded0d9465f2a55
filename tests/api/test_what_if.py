"""What the same usage would have cost at other prices."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from costs.models import Attempt, Price
from costs.pricing import Usage, make_price, round_usd
from costs.what_if import what_if
from tests.api.callers import as_key, codes_of
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

WHAT_IF = "/api/v1/costs/what-if/"
MODEL = "a/small"
TIERS = {"tiers": [{"above_input_tokens": 1000, "prices": {"input": 2, "output": 5}}]}
NONE = dict.fromkeys(
    ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    + ("input_audio", "output_audio", "web_search", "per_request")
)


@pytest.fixture
def api():
    return as_key("read")


def tried(usage, *, model=MODEL, cost="1", raw=None, state="settled", **who):
    settlement = settled(timezone.now() - dt.timedelta(hours=1), model=model, **who)
    attempt = settlement.attempts[-1]
    attempt.usage, attempt.raw_usage, attempt.state = usage, raw, state
    attempt.cost_usd = None if cost is None else Decimal(cost)
    record(settlement)


def ask(api, *prices, **more):
    return api.post(WHAT_IF, {"prices": list(prices), **more}, format="json")


def compared(api, *prices, **more):
    answer = ask(api, *prices, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_same_tokens_at_another_price(api):
    tried(Usage(input=1000, output=100))
    tried(Usage(input=500, output=50), model="b/other", cost="0.25")
    body = compared(api, {"model": MODEL, "input": "0.001", "output": "0.01"})
    small, other = body["results"]
    assert small == {
        "model": MODEL,
        "repriced": True,
        "attempts": 1,
        "unpriced": 0,
        "actual_usd": "1",
        "what_if_usd": "2",
        "difference_usd": "1",
        "percent": "100.00",
    }
    assert (other["repriced"], other["what_if_usd"]) == (False, "0.25")
    assert body["total"]["what_if_usd"] == "2.25"
    assert any("same tokens" in told for told in body["assumptions"])


def test_a_model_is_tried_as_another_one(api):
    Price.objects.create(
        model="b/dear",
        valid_from=timezone.now() - dt.timedelta(days=1),
        input=Decimal("0.002"),
        output=Decimal(0),
        source="list",
    )
    tried(Usage(input=1000))
    body = compared(api, {"model": MODEL, "as": "b/dear"})
    assert body["results"][0]["what_if_usd"] == "2"


def test_a_tier_begins_above_its_threshold(api):
    tried(Usage(input=1000))
    tried(Usage(input=1001))
    price = {"model": MODEL, "input": "1", "output": "1", "schedule": TIERS}
    body = compared(api, price)
    assert body["results"][0]["what_if_usd"] == str(1000 + 2 * 1001)


@pytest.mark.parametrize("above", [2**31 - 1, 2**60, -(2**60)])
def test_a_threshold_may_be_any_number(api, above):
    tried(Usage(input=10))
    schedule = {"tiers": [{"above_input_tokens": above, "prices": {"input": 2}}]}
    body = compared(api, {"model": MODEL, "input": "1", "schedule": schedule})
    assert body["results"][0]["what_if_usd"] == ("10" if above > 0 else "20")


def test_caches_searches_and_requests_have_their_prices(api):
    raw = {
        "cache_creation": {"ephemeral_1h_input_tokens": 30},
        "server_tool_use": {"web_search_requests": 2},
    }
    usage = Usage(
        input=10, cache_read=100, cache_write_5m=20, cache_write_1h=30, output=1
    )
    tried(usage, raw=raw)
    rates = {
        "input": "1",
        "output": "1000",
        "cache_read": "0.1",
        "cache_write_5m": "2",
        "cache_write_1h": "3",
        "web_search": "0.5",
        "per_request": "0.25",
    }
    body = compared(api, {"model": MODEL, **rates})
    expected = 10 + 10 + 40 + 90 + 1000 + 1 + Decimal("0.25")
    assert Decimal(body["results"][0]["what_if_usd"]) == expected


@pytest.mark.parametrize("told", ["many", -5, 1e300, None, [], {}, True, 31])
def test_a_split_that_is_none_counts_for_no_more_than_was_written(api, told):
    raw = {"cache_creation": {"ephemeral_1h_input_tokens": told}}
    tried(Usage(input=1, cache_write_5m=30), raw=raw)
    rates = {"input": "1", "cache_write_5m": "1", "cache_write_1h": "1"}
    body = compared(api, {"model": MODEL, **rates})
    assert body["results"][0]["what_if_usd"] == "31"


def test_what_nobody_knows_the_usage_of_stays_as_charged(api):
    tried(Usage(), cost="0.7", state="unknown")
    tried(Usage(input=100), cost=None)
    body = compared(api, {"model": MODEL, "input": "0.01", "per_request": "1"})
    row = body["results"][0]
    assert (row["actual_usd"], row["what_if_usd"]) == ("0.7", "2.7")
    assert (row["attempts"], row["unpriced"]) == (2, 1)


def test_filters_choose_the_attempts(api):
    tried(Usage(input=1), team="care", user="u1")
    tried(Usage(input=2), team="sales", user="u2")
    price = {"model": MODEL, "input": "1"}
    for filters, expected in (
        ({"team": "sales"}, ["2"]),
        ({"user": "u1"}, ["1"]),
        ({"provider": "a"}, ["3"]),
        ({"team": "sales", "user": "u1"}, []),
        ({"prompt_version": 7}, []),
    ):
        rows = compared(api, price, filters=filters)["results"]
        assert [row["what_if_usd"] for row in rows] == expected
    assert compared(api, price, **{"from": "now-10d", "to": "now-2h"})["results"] == []


def test_a_price_in_the_wrong_unit_is_warned_of(api):
    body = compared(api, {"model": MODEL, "input": "1", "output": "4"})
    assert any("per million" in warning for warning in body["warnings"])


RATES = {"model": MODEL, "input": "1"}
REFUSED = {
    "no prices": ({"prices": []}, "empty"),
    "no rates": ({"prices": [{"model": MODEL}]}, "required"),
    "rates and another model": ({"prices": [{**RATES, "as": "b/x"}]}, "required"),
    "a model without a price": (
        {"prices": [{"model": MODEL, "as": "b/none"}]},
        "price_unknown",
    ),
    "two prices of a model": ({"prices": [RATES, RATES]}, "duplicate"),
    "a negative rate": ({"prices": [{**RATES, "input": "-1"}]}, "min_value"),
    "a rate that is none": ({"prices": [{**RATES, "input": "NaN"}]}, "invalid"),
    "a schedule that is none": ({"prices": [{**RATES, "schedule": []}]}, "invalid"),
    "an unknown filter": ({"filters": {"mood": "x"}}, "unknown_field"),
    "a filter that is a number": ({"filters": {"team": 1}}, "invalid"),
    "a range that ends before": ({"from": "now", "to": "now-1d"}, "range"),
    "a range of years": ({"from": "now-3y"}, "range_too_long"),
    "an unknown field": ({"by": "model"}, "unknown_field"),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_question_is_refused(api, body, code):
    answer = api.post(WHAT_IF, {"prices": [RATES], **body}, format="json")
    assert (answer.status_code, codes_of(answer)) == (400, {code}), answer.content


rate = st.decimals("0", "0.001", places=9)
tokens = st.integers(0, 3000)


@settings(max_examples=20, deadline=None)
@given(
    used=st.lists(st.tuples(tokens, tokens, tokens, tokens), min_size=1, max_size=5),
    rates=st.tuples(rate, rate, rate, rate),
    above=st.integers(0, 5000),
)
def test_sums_cost_what_the_attempts_do_one_by_one(used, rates, above):
    Attempt.objects.all().delete()
    names = ("input", "output", "cache_read", "cache_write_5m")
    given_rates = dict(zip(names, rates, strict=True))
    tier = {"above_input_tokens": above, "prices": {"input": "0.5", "output": "0.25"}}
    price = make_price({"id": 0, "schedule": {"tiers": [tier]}, **NONE, **given_rates})
    usages = [Usage(**dict(zip(names, each, strict=True))) for each in used]
    for usage in usages:
        tried(usage)
    now = timezone.now()
    (row,) = what_if(
        {MODEL: price}, start=now - dt.timedelta(days=1), end=now, where={}
    )
    nothing = sum(not (u.whole_input or u.whole_output) for u in usages)
    assert row.what_if_usd == round_usd(
        sum((price.cost(usage) for usage in usages), Decimal(nothing))
    )
