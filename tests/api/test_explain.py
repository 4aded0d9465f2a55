"""The explanation of a bill over REST: terms that sum up, and lead to their attempts."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection

from costs.adjusting import reprice
from costs.bills import explained
from costs.explaining import TERMS
from costs.models import Price
from costs.selectors import Slice
from tests.api.callers import as_key, as_person, codes_of
from tests.dashboard.ledger import record, settled, utc

pytestmark = pytest.mark.django_db

EXPLAIN = "/api/v1/costs/explain/"
MARCH, APRIL = utc(2026, 3, 10, 12), utc(2026, 4, 10, 12)
PERIODS = (
    "before_from=2026-03-01T00:00:00Z&before_to=2026-04-01T00:00:00Z"
    "&from=2026-04-01T00:00:00Z&to=2026-05-01T00:00:00Z"
)


@pytest.fixture
def api():
    return as_key("read")


def answer(api, query=PERIODS):
    body = api.get(f"{EXPLAIN}?{query}").json()
    assert [term["term"] for term in body["terms"]] == list(TERMS), body
    amounts = {t["term"]: Decimal(t["amount_usd"]) for t in body["terms"]}
    assert sum(amounts.values()) == Decimal(body["difference_usd"])
    difference = Decimal(body["after"]["cost_usd"]) - Decimal(
        body["before"]["cost_usd"]
    )
    assert Decimal(body["difference_usd"]) == difference
    return body


def moved(api, query=PERIODS):
    """Return the amounts of the terms that are not zero."""
    terms = answer(api, query)["terms"]
    return {t["term"]: t["amount_usd"] for t in terms if t["amount_usd"] != "0"}


def test_more_calls_are_volume(api):
    record(settled(MARCH), settled(APRIL), settled(APRIL))
    assert moved(api) == {"volume": "0.01"}


def test_a_price_that_rises_is_price(api):
    record(settled(MARCH, cost="0.01"), settled(APRIL, cost="0.015"))
    assert moved(api) == {"price": "0.005"}


def test_a_dearer_model_is_mix(api):
    record(settled(MARCH), settled(APRIL, model="openai/gpt-5.2-pro", cost="0.4"))
    assert moved(api) == {"model_mix": "0.39"}


def test_lengths_are_weighed_by_the_price_book(api):
    price = Price.objects.create(
        model="openai/gpt-5.2",
        valid_from=MARCH,
        input=Decimal("0.0001"),
        output=Decimal("0.001"),
        source="test",
    )
    then = settled(MARCH, tokens=(100, 20), cost="0.03")
    now = settled(APRIL, tokens=(200, 50), cost="0.07")
    for attempt in (*then.attempts, *now.attempts):
        attempt.price_id = price.id
    record(then, now)
    assert moved(api) == {"input_length": "0.01", "output_length": "0.03"}


def test_answers_from_our_cache_are_cache(api):
    record(settled(MARCH), settled(MARCH))
    record(settled(APRIL), settled(APRIL, status="cached"))
    assert moved(api) == {"cache": "-0.01"}


def test_tries_beyond_the_first_and_failed_ones_are_retries(api):
    record(settled(MARCH), settled(APRIL))
    record(settled(APRIL, tries=2, cost="0.2"))
    record(settled(APRIL, status="timeout", error="timeout", cost="0.03"))
    assert moved(api) == {"retries": "0.23"}


def test_calls_of_experiments_and_embeddings_are_apart(api):
    record(settled(MARCH), settled(APRIL))
    record(settled(APRIL, cost="0.05", experiment="tone", variant="warm"))
    record(settled(APRIL, model="openai/embed", tokens=(900, 0), cost="0.002"))
    assert moved(api) == {"experiments": "0.05", "embeddings": "0.002"}


def test_the_totals_are_those_of_the_summary(api):
    record(settled(MARCH, tries=2), settled(APRIL, cost="0.123456789"))
    total = api.get("/api/v1/costs/?from=2026-04-01T00:00:00Z&to=2026-05-01T00:00:00Z")
    assert answer(api)["after"]["cost_usd"] == total.json()["total"]["cost_usd"]


def test_what_repricing_added_is_a_term_of_its_own(api):
    record(settled(MARCH), settled(APRIL))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO costs_adjustment (bucket, team, agent, end_user, key, model,"
            " prompt, prompt_version, experiment, variant, status, attempts, unpriced,"
            " cost_usd, posted_by) SELECT bucket, team, agent, '', '', model, prompt,"
            " prompt_version, '', variant, status, 1, 0, 1, 'a' FROM costs_rollup_work"
            " WHERE bucket >= '2026-04-01'"
        )
    assert moved(api) == {"repricing": "1"}
    assert moved(api, f"{PERIODS}&agent=nobody") == {}


def test_without_a_period_before_it_is_the_one_of_equal_length(api):
    query = "from=2026-04-01T00:00:00Z&to=2026-04-11T00:00:00Z"
    before = answer(api, query)["before"]
    assert before["start"] == "2026-03-22T00:00:00Z"
    assert before["end"] == "2026-04-01T00:00:00Z"


def test_with_half_a_period_before_the_other_end_follows(api):
    query = "from=2026-04-01T00:00:00Z&to=2026-04-03T00:00:00Z"
    begun = answer(api, f"{query}&before_from=2026-01-01T00:00:00Z")["before"]
    assert begun["end"] == "2026-01-03T00:00:00Z"
    ended = answer(api, f"{query}&before_to=2026-01-01T00:00:00Z")["before"]
    assert ended["start"] == "2025-12-30T00:00:00Z"


def test_filters_narrow_both_periods(api):
    record(settled(MARCH, agent="a"), settled(APRIL, agent="a"), settled(APRIL))
    assert moved(api, f"{PERIODS}&agent=a") == {}
    record(settled(APRIL, team="red", prompt="greet", model="b/two", cost="3"))
    for filter_ in ("team=red", "prompt=greet", "model=b/two"):
        assert moved(api, f"{PERIODS}&{filter_}") == {"volume": "3"}


def test_an_hour_belongs_to_the_call_and_not_to_its_late_attempt(api):
    late = settled(utc(2026, 3, 31, 23, 59), cost="1")
    at = utc(2026, 4, 1, 0, 1)
    moved_id = int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62
    late.attempts[0].id = type(late.attempts[0].id)(int=moved_id)
    record(late)
    assert answer(api)["before"]["cost_usd"] == "1"


def test_every_term_leads_to_the_attempts_that_it_is_about(api):
    record(settled(APRIL, cost="0.5", tries=2), settled(MARCH), settled(APRIL))
    record(settled(APRIL, cost="0.05", experiment="tone", variant="warm"))
    record(settled(APRIL, model="openai/embed", tokens=(900, 0), cost="0.002"))
    person = as_person("Viewer")
    seen = {}
    for term in answer(api, f"{PERIODS}&team=care")["terms"]:
        rows = api.get(term["after"]["rest"]).json()["results"]
        costs = sum(Decimal(row["cost_usd"]) for row in rows)
        listed = person.get(term["after"]["page"])
        assert listed.status_code == 200
        found = listed.context["cl"].result_list
        assert [str(one.id) for one in found] == [row["id"] for row in rows]
        seen[term["term"]] = (len(rows), costs)
    assert seen.pop("retries") == (2, Decimal("0.5"))
    assert seen.pop("experiments") == (1, Decimal("0.05"))
    assert seen.pop("embeddings") == (1, Decimal("0.002"))
    assert seen.pop("repricing") == (5, Decimal("0.562")), "of whichever part"
    assert set(seen.values()) == {(1, Decimal("0.01"))}


def test_what_has_no_price_and_what_is_estimated_is_counted(api):
    unpriced, guessed = settled(APRIL), settled(APRIL)
    unpriced.attempts[0].cost_usd = None
    guessed.attempts[0].estimated = True
    record(unpriced, guessed)
    after = answer(api)["after"]
    assert (after["attempts"], after["unpriced"], after["estimated"]) == (2, 1, 1)


def test_what_repricing_gave_a_price_is_no_longer_without_one(api):
    unpriced = settled(APRIL, model="a/new")
    unpriced.attempts[0].cost_usd = None
    record(unpriced)
    Price.objects.create(
        model="a/new", valid_from=MARCH, input="0.001", output=0, source="list"
    )
    reprice("a/new", APRIL, APRIL + dt.timedelta(hours=1), actor="a", dry_run=False)
    after = answer(api)["after"]
    assert Decimal(after["cost_usd"]) > 0
    assert after["unpriced"] == 0


def test_no_facts_are_zeros(api):
    body = answer(api, "")
    assert body["difference_usd"] == "0"
    assert {term["share"] for term in body["terms"]} == {None}
    assert body["terms"][0]["sentence"] == "price_same"


def test_shares_and_sentences_say_which_way(api):
    record(settled(MARCH, cost="2"), settled(MARCH, cost="2"), settled(APRIL, cost="1"))
    terms = {term["term"]: term for term in answer(api)["terms"]}
    assert (terms["price"]["amount_usd"], terms["volume"]["amount_usd"]) == ("-2", "-1")
    assert terms["price"]["share"] == pytest.approx(2 / 3)
    assert terms["volume"]["sentence"] == "volume_down"


@pytest.mark.parametrize(
    ("query", "code", "attr"),
    [
        ("from=now-93d", "range_too_long", "from"),
        ("before_from=now-200d&before_to=now-10d", "range_too_long", "before_from"),
        ("before_from=now-1d&before_to=now-2d", "range", "before_from"),
        ("from=now&to=now-1d", "range", "from"),
        ("user=u", "unknown_parameter", "user"),
        ("before_to=yesterday", "invalid", "before_to"),
    ],
)
def test_periods_that_cannot_be_explained_are_refused(api, query, code, attr):
    refusal = api.get(f"{EXPLAIN}?{query}")
    assert refusal.status_code == 400
    assert codes_of(refusal) == {code}
    assert refusal.json()["errors"][0]["attr"] == attr


def test_only_the_partitions_of_the_periods_are_read():
    record(settled(APRIL))
    read = []

    def watch(execute, statement, params, many, context):
        if "costs_attempt" in statement and not statement.startswith("EXPLAIN"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}", params)
                read.extend(row[0] for row in cursor.fetchall())
        return execute(statement, params, many, context)

    with connection.cursor() as cursor:
        for month in (3, 4, 9):
            cursor.execute(
                "SELECT ops_keep_partitions('costs_attempt', %s, %s)",
                [utc(2030, month, 1), utc(2030, month, 2)],
            )
    with connection.execute_wrapper(watch):
        explained(
            Slice(utc(2030, 3, 1), utc(2030, 3, 5), {}),
            Slice(utc(2030, 4, 1), utc(2030, 4, 5), {}),
        )
    plan = "\n".join(read)
    assert "costs_attempt_2030_03" in plan
    assert "costs_attempt_2030_04" in plan
    assert "costs_attempt_2030_09" not in plan


@pytest.mark.parametrize("kind", ["call", "attempt"])
def test_lists_take_any_time_and_forgive_what_is_none(kind):
    record(settled(MARCH), settled(APRIL))
    person = as_person("Viewer")

    def listed(since):
        page = person.get(f"/admin/costs/{kind}/", {"since": since})
        assert page.status_code == 200
        return len(page.context["cl"].result_list)

    assert listed("2026-04-01T00:00:00Z/2026-05-01T00:00:00Z") == 1
    assert listed("2026-03-01T00:00:00Z/2026-05-01T00:00:00Z") == 2
    for none in ("a/b", "2026-03-01/2026-05-01", "0001-01-01T00:00Z/9999-01-01T00:00Z"):
        assert listed(none) == 0  # the usual span, which ends now
