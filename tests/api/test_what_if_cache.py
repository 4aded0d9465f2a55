"""What calls would have cost had the cache been on."""

import datetime as dt
import random

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from costs.models import Call
from llm.cache_question import CacheQuestion
from llm.what_if_cache import what_if_cached
from llm.what_if_words import cache_assumptions
from tests.api.callers import as_key, codes_of
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

WHAT_IF = "/api/v1/costs/what-if/cache/"
DAY = dt.timedelta(days=1)
BEGIN = timezone.now() - DAY


@pytest.fixture
def api():
    return as_key("read")


def asked(fingerprint, second, *, cost="1", took_s=0.0, **more):
    """Return a call that began so many seconds after BEGIN."""
    at = BEGIN + dt.timedelta(seconds=second + took_s)
    settlement = settled(at, cost=cost or "0", ms=took_s * 1000, **more)
    settlement.call.fingerprint = fingerprint
    if cost is None:
        settlement.call.cost_usd = None
    return settlement


def ask(api, **body):
    return api.post(WHAT_IF, body, format="json")


def answered(api, **body):
    answer = ask(api, **body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_equal_requests_within_the_time_cost_nothing(api):
    record(asked(7, 0), asked(7, 50), asked(7, 99), asked(8, 10))
    body = answered(api, ttl_s=100)
    figures = ("actual_usd", "what_if_usd", "difference_usd", "percent")
    assert [body[name] for name in figures] == ["4", "2", "-2", "-50.00"]
    assert body["interval"] == ["2", "2"]
    assert (body["calls"], body["hits"], body["what_if_hits"]) == (4, 0, 2)
    (row,) = body["results"]
    assert (row["model"], row["calls"], row["what_if_hits"]) == ("openai/gpt-5.2", 4, 2)


def test_using_an_answer_makes_it_no_younger(api):
    record(*(asked(7, second) for second in (0, 60, 110, 150)))
    # 0 is kept until 100, 110 is asked anew and kept until 210.
    assert answered(api, ttl_s=100)["what_if_usd"] == "2"


def test_the_time_begins_when_the_answer_is_there(api):
    record(asked(7, 0, took_s=30), asked(7, 10), asked(7, 120), asked(7, 131))
    # Who asks meanwhile waits for the answer; it is there at 30 and kept until 130.
    assert answered(api, ttl_s=100)["what_if_hits"] == 2


def test_an_answer_that_failed_is_not_given_again(api):
    record(asked(7, 0, status="error"), asked(7, 5), asked(7, 6))
    body = answered(api, ttl_s=100)
    assert (body["actual_usd"], body["what_if_usd"]) == ("2", "1")


def test_a_hit_that_would_be_none_costs_what_its_answer_did(api):
    record(asked(7, 0), asked(7, 50, status="cached", saved="1"))
    assert answered(api, ttl_s=100)["what_if_usd"] == "1"
    short = answered(api, ttl_s=40)
    assert (short["hits"], short["what_if_hits"]) == (1, 0)
    assert (short["actual_usd"], short["what_if_usd"]) == ("1", "2")


def test_it_says_how_many_calls_it_is_about(api):
    record(asked(7, 0), asked(7, 1), asked(None, 2), asked(9, 3, cost=None))
    body = answered(api)
    assert (body["calls"], body["fingerprinted"], body["population"]) == (4, 3, 2)
    assert (body["actual_usd"], body["unpriced"]) == ("2", 1)
    assert any("75.0% of the calls" in told for told in body["assumptions"])


def test_nothing_known_is_no_error(api):
    record(asked(None, 0))
    body = answered(api)
    assert (body["population"], body["what_if_usd"], body["percent"]) == (0, "0", None)


def test_filters_choose_the_calls(api):
    record(asked(7, 0, team="care", prompt="hello"), asked(7, 1, team="sales"))
    assert answered(api)["what_if_hits"] == 1
    body = answered(api, filters={"team": "sales"})
    assert (body["calls"], body["what_if_hits"]) == (1, 0)
    assert answered(api, filters={"prompt": "hello"})["calls"] == 1


def replayed(calls, ttl_s):
    """Return which calls hit, by the rule as one would write it down."""
    until, hits = {}, 0
    for second, fingerprint, took_s, status in sorted(calls):
        if second < until.get(fingerprint, -1):
            hits += 1
        elif status == "ok":
            until[fingerprint] = second + took_s + ttl_s
    return hits


@settings(max_examples=30)
@given(
    seconds=st.lists(st.integers(0, 400), unique=True, max_size=12),
    data=st.data(),
    ttl_s=st.integers(1, 200),
)
def test_it_hits_where_the_cache_would(seconds, data, ttl_s):
    Call.objects.all().delete()
    calls = [
        (
            second,
            data.draw(st.integers(-2, 2)),
            data.draw(st.integers(0, 20)) + 0.5,
            data.draw(st.sampled_from(["ok", "ok", "error"])),
        )
        for second in seconds
    ]
    record(*(asked(f, at, took_s=took, status=s) for at, f, took, s in calls))
    found = what_if_cached(CacheQuestion(ttl_s, BEGIN - DAY, BEGIN + DAY))
    assert found.hits == replayed(calls, ttl_s)


def test_a_sample_takes_all_calls_of_a_request():
    rng = random.Random(3)
    calls = []
    for fingerprint in range(2, 400):
        cost = str(round(rng.uniform(0.1, 2), 4))
        calls += [
            asked(fingerprint, rng.randrange(4000), cost=cost)
            for _ in range(rng.choice((1, 1, 2, 4)))
        ]
    record(*calls)
    question = CacheQuestion(3600, BEGIN - DAY, BEGIN + DAY)
    truth = what_if_cached(question)
    found = what_if_cached(question, most=500)
    low, high = found.interval
    assert truth.exact
    assert not found.exact
    assert 250 < found.sampled <= 500 < found.population
    assert low < found.what_if_usd < high
    assert low < truth.what_if_usd < high
    assert abs(found.hits - truth.hits) < 0.2 * truth.hits
    assert found.actual_usd == truth.actual_usd
    assert what_if_cached(question, most=500) == found
    assert any("read whole" in told for told in cache_assumptions(found))


REFUSED = {
    "no time at all": ({"ttl_s": 0}, "min_value"),
    "a time longer than anything is kept": ({"ttl_s": 10**7}, "max_value"),
    "a time that is no number": ({"ttl_s": "3600"}, "invalid"),
    "what only attempts have": ({"filters": {"provider": "a"}}, "unknown_field"),
    "a range that ends before": ({"from": "now", "to": "now-1d"}, "range"),
    "an unknown field": ({"by": "model"}, "unknown_field"),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_question_is_refused(api, body, code):
    answer = ask(api, **body)
    assert (answer.status_code, codes_of(answer)) == (400, {code}), answer.content
