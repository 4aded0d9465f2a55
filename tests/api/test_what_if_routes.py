"""What calls would have cost had somebody else served them."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from costs.models import Attempt, Price
from costs.price_history import price_history
from costs.pricing import Usage, round_usd
from llm.models import Model, Provider
from llm.route_replay import Cell, Draft, Prices, servers
from llm.selectors import draft_targets
from llm.what_if_routes import RouteQuestion, what_if_routed
from tests.api.callers import as_key, codes_of
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

WHAT_IF = "/api/v1/costs/what-if/routes/"
DAY = dt.timedelta(days=1)


@pytest.fixture
def api():
    return as_key("read")


@pytest.fixture(autouse=True)
def prices():
    priced("a/dear", input="0.01", output="0.02")
    priced("b/cheap", input="0.001", output="0.002")


def priced(model, *, ago=30, schedule=None, **rates):
    return Price.objects.create(
        model=model,
        valid_from=timezone.now() - ago * DAY,
        source="list",
        schedule=schedule or {},
        **{name: Decimal(rate) for name, rate in rates.items()},
    )


def served(usage=None, *, route="smart", model="a/dear", cost="1", hours=1, **more):
    """Write a call of which one attempt was made, or as many as more says."""
    settlement = settled(timezone.now() - hours * DAY / 24, model=model, **more)
    for attempt in settlement.attempts:
        attempt.route = route
    attempt = settlement.attempts[-1]
    attempt.usage = usage or Usage(input=100, output=10)
    attempt.cost_usd = None if cost is None else Decimal(cost)
    attempt.state = more.get("state", "settled")
    record(settlement)


def question(*targets, requested="smart", **more):
    return {
        "requested": requested,
        "targets": [t if isinstance(t, dict) else {"model": t} for t in targets],
        **more,
    }


def ask(api, *targets, **more):
    return api.post(WHAT_IF, question(*targets, **more), format="json")


def answered(api, *targets, **more):
    answer = ask(api, *targets, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_another_model_serves_the_same_tokens(api):
    served(Usage(input=1000, output=100), cost="12")
    body = answered(api, "b/cheap")
    figures = ("actual_usd", "what_if_usd", "difference_usd", "percent")
    assert [body[name] for name in figures] == ["12", "1.2", "-10.8", "-90.00"]
    assert body["interval"] == ["1.2", "1.2"]
    assert (body["population"], body["sampled"]) == (1, 1)
    assert "exact" in body["method"]
    assert any("another vendor" in told for told in body["assumptions"])
    dear, cheap = body["results"]
    assert (dear["model"], dear["attempts"], dear["what_if_attempts"]) == (
        "a/dear",
        1,
        0,
    )
    assert (cheap["model"], cheap["attempts"], cheap["what_if_usd"]) == (
        "b/cheap",
        0,
        "1.2",
    )


def test_weights_are_expected_not_drawn(api):
    served(Usage(input=1000), cost="10")
    weighted = [{"model": "a/dear", "weight": 1}, {"model": "b/cheap", "weight": 3}]
    for _ in range(3):
        body = answered(api, *weighted, strategy="weighted")
        assert body["what_if_usd"] == "3.25"


def test_only_calls_that_asked_for_it_count(api):
    served(cost="1")
    served(route="other", cost="2")
    served(route="", cost="4")
    assert answered(api, "b/cheap")["actual_usd"] == "1"
    assert answered(api, "b/cheap", requested="other")["actual_usd"] == "2"
    assert answered(api, "b/cheap", requested="a/dear")["actual_usd"] == "4"
    assert answered(api, "b/cheap", requested="never")["population"] == 0


def test_filters_and_the_range_choose_the_calls(api):
    served(team="sales", cost="1")
    served(team="care", cost="2")
    served(team="care", cost="4", hours=50)
    body = answered(api, "b/cheap", filters={"team": "care"})
    assert body["actual_usd"] == "6"
    body = answered(api, "b/cheap", filters={"team": "care"}, **{"from": "now-1d"})
    assert body["actual_usd"] == "2"


def test_conditions_send_some_calls_elsewhere(api):
    served(Usage(input=1000), team="care", cost="10")
    served(Usage(input=1000), team="sales", cost="10")
    served(Usage(input=5000), team="care", cost="50")
    only = {"teams": ["care"], "max_input_tokens": 2000}
    body = answered(api, {"model": "b/cheap", "conditions": only}, "a/dear")
    assert body["what_if_usd"] == "61"
    assert body["unserved"] == 0


def test_calls_that_no_target_can_serve_stay_as_they_were(api):
    served(Usage(input=1000), cost="10")
    served(Usage(input=1000), team="sales", cost="10")
    body = answered(api, {"model": "b/cheap", "conditions": {"teams": ["sales"]}})
    assert (body["what_if_usd"], body["unserved"]) == ("11", 1)
    assert any("no target can serve" in told for told in body["assumptions"])


def test_metadata_is_not_known_so_such_targets_serve_nobody(api):
    served(Usage(input=1000), cost="10")
    gold = {"model": "b/cheap", "conditions": {"metadata": {"tier": "gold"}}}
    body = answered(api, gold, "a/dear")
    assert body["what_if_usd"] == "10"
    assert any("metadata" in told for told in body["assumptions"])


def test_a_context_window_counts_what_went_in(api):
    provider = Provider.objects.create(slug="b", name="B", kind="openai")
    Model.objects.create(provider=provider, name="cheap", context_window=1500)
    served(Usage(input=1500), cost="15")
    served(Usage(input=1501), cost="15.01")
    body = answered(api, "b/cheap", "a/dear")
    assert Decimal(body["what_if_usd"]) == Decimal("1.5") + Decimal("15.01")


def test_the_cheapest_is_chosen_by_size(api):
    priced("c/flat", input="0", output="0", per_request="2")
    served(Usage(input=100), cost="1")
    served(Usage(input=9000), cost="90")
    body = answered(api, "b/cheap", "c/flat", strategy="cheapest")
    assert Decimal(body["what_if_usd"]) == Decimal("0.1") + 2
    assert any("usual length" in told for told in body["assumptions"])


def test_prices_are_those_in_force_at_the_time(api):
    priced("b/cheap", ago=1, input="0.005", output="0")
    served(Usage(input=1000), hours=1)
    served(Usage(input=1000), hours=48)
    assert answered(api, "b/cheap")["what_if_usd"] == "6"


def test_a_retry_is_replayed_as_often_as_it_was(api):
    served(Usage(input=1000), tries=2, cost="10")
    body = answered(api, "b/cheap")
    assert (body["population"], body["what_if_usd"]) == (2, "1")


def test_what_nobody_knows_stays_or_is_left_out(api):
    served(Usage(), state="unknown", cost="0.7")
    served(Usage(input=1000), cost=None)
    body = answered(api, "b/cheap")
    assert (body["actual_usd"], body["what_if_usd"]) == ("0.7", "0.7")
    assert (body["population"], body["unpriced"]) == (1, 1)
    assert any("no known cost" in told for told in body["assumptions"])


def test_a_sample_comes_with_an_interval_and_comes_again():
    rng = random.Random(5)
    for _ in range(400):
        usage = Usage(input=rng.randrange(100, 5000), output=rng.randrange(500))
        cost = usage.input * Decimal("0.01") + usage.output * Decimal("0.02")
        served(usage, cost=cost * Decimal(rng.uniform(0.5, 1.5)).quantize(cost))
    now = timezone.now()
    drafted = draft_targets([{"model": "b/cheap", "weight": 1, "conditions": {}}])
    asked = RouteQuestion("smart", Draft("priority", drafted), now - DAY, now)
    truth = what_if_routed(asked)
    found = what_if_routed(asked, most=200)
    low, high = found.interval
    assert truth.exact
    assert not found.exact
    assert 50 < found.sampled < 200
    assert found.population == truth.population == 400
    assert found.actual_usd == truth.actual_usd
    assert low < found.what_if_usd < high
    assert low < truth.what_if_usd < high
    assert sum(row.what_if_count for row in found.rows) == 400
    assert what_if_routed(asked, most=200) == found


tokens = st.integers(0, 4000)


@settings(max_examples=25)
@given(
    used=st.lists(
        st.tuples(tokens, tokens, tokens, st.sampled_from(["care", "sales"])),
        min_size=1,
        max_size=8,
    ),
    strategy=st.sampled_from(["priority", "weighted", "cheapest"]),
    most=st.integers(0, 8000),
)
def test_cells_cost_what_their_attempts_do_one_by_one(used, strategy, most):
    Attempt.objects.all().delete()
    tier = {"above_input_tokens": 2000, "prices": {"input": "0.01", "output": "0.001"}}
    Price.objects.filter(model="b/cheap").update(schedule={"tiers": [tier]})
    for new, read, output, team in used:
        served(Usage(input=new, cache_read=read, output=output), team=team)
    conditions = {"teams": ["care"], "max_input_tokens": most}
    targets = draft_targets(
        [
            {"model": "b/cheap", "weight": 2, "conditions": conditions},
            {"model": "a/dear", "weight": 1, "conditions": {}},
        ]
    )
    draft, now = Draft(strategy, targets), timezone.now()
    prices = Prices(price_history(["a/dear", "b/cheap"]))
    expected = Decimal(0)
    for new, read, output, team in used:
        usage = Usage(input=new, cache_read=read, output=output)
        cell = Cell(team, "bot", usage.whole_input, output == 0, now)
        for server in servers(draft, cell, prices) if new + read + output else ():
            share = Decimal(server.probability.numerator)
            cost = server.price.cost(usage)
            expected += cost * share / server.probability.denominator
        expected += not (new + read + output)  # stays as it was
    found = what_if_routed(RouteQuestion("smart", draft, now - DAY, now))
    assert found.what_if_usd == round_usd(expected)


REFUSED = {
    "no targets": ({"targets": []}, "empty"),
    "no route": ({"requested": ""}, "blank"),
    "a target without a price": ({"targets": [{"model": "x/none"}]}, "price_unknown"),
    "a target without a provider": ({"targets": [{"model": "cheap"}]}, "invalid"),
    "a target twice": ({"targets": [{"model": "b/cheap"}] * 2}, "duplicate"),
    "a strategy that needs the moment": ({"strategy": "fastest"}, "invalid_choice"),
    "a weight below nothing": (
        {"targets": [{"model": "b/cheap", "weight": -1}]},
        "min_value",
    ),
    "a condition that is none": (
        {"targets": [{"model": "b/cheap", "conditions": {"mood": 1}}]},
        "invalid",
    ),
    "conditions that are none": (
        {"targets": [{"model": "b/cheap", "conditions": ["x"]}]},
        "invalid",
    ),
    "a text that cannot be stored": (
        {"targets": [{"model": "b/cheap", "conditions": {"teams": ["a\0"]}}]},
        "nul_character",
    ),
    "an unknown filter": ({"filters": {"mood": "x"}}, "unknown_field"),
    "a range that ends before": ({"from": "now", "to": "now-1d"}, "range"),
    "an unknown field": ({"by": "model"}, "unknown_field"),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_question_is_refused(api, body, code):
    answer = api.post(WHAT_IF, {**question("b/cheap"), **body}, format="json")
    assert (answer.status_code, codes_of(answer)) == (400, {code}), answer.content


@pytest.mark.parametrize("tokens", [2**31, 2**63 - 1])
def test_a_condition_may_be_any_number(api, tokens):
    served(Usage(input=1000), cost="10")
    least = {"model": "b/cheap", "conditions": {"min_input_tokens": tokens}}
    body = answered(api, least, "a/dear")
    assert body["what_if_usd"] == "10"
