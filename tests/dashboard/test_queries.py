"""What the charts read, from rollups that the ledger's own code wrote."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from costs.models import Budget
from costs.outlook import budget_forecast
from costs.rollups import quantile
from costs.scores import score_record
from devora_ops.common.models import Team
from devora_ops.dashboard import queries
from devora_ops.dashboard.changes import comparison
from devora_ops.dashboard.filters import Scope
from devora_ops.dashboard.measures import OTHER
from devora_ops.dashboard.standing import BudgetStanding
from devora_ops.dashboard.tiles import read_facts
from devora_ops.dashboard.windows import RANGES, window
from experiments.models import Experiment
from prompts.models import Prompt, PromptVersion
from tests.dashboard.ledger import record, settled, utc

pytestmark = pytest.mark.django_db

NOW = utc(2026, 11, 22, 16, 41, 12)
PARIS = ZoneInfo("Europe/Paris")
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


def cut(name, now=NOW):
    return window(name, now=now, zone=PARIS)


@pytest.mark.parametrize("name", RANGES)
def test_a_call_of_this_minute_is_in_the_last_bucket_of_every_range(name):
    record(settled(NOW))
    found = queries.totals(Scope(), cut(name))
    assert found.buckets[-1].calls == found.current.calls == 1
    assert found.current.cost_usd == Decimal("0.01")
    assert found.previous.calls == 0


@pytest.mark.parametrize("name", RANGES)
def test_a_call_of_one_range_ago_is_in_the_previous_period(name):
    record(settled(cut(name).previous_end - 20 * MINUTE))
    found = queries.totals(Scope(), cut(name))
    assert found.previous.calls == 1
    assert found.current.calls == 0


def test_a_call_after_local_midnight_belongs_to_the_local_day():
    record(settled(utc(2026, 11, 20, 23, 30)))  # 00:30 in Paris on the 21st
    found = queries.totals(Scope(), cut("30d"))
    assert found.buckets[-2].calls == 1


def test_sums_tell_successes_refusals_retries_and_savings_apart():
    record(
        settled(NOW, tries=3),
        settled(NOW, status="cached", saved="0.02"),
        settled(NOW, status="blocked"),
        settled(NOW, status="error"),
    )
    sums = queries.totals(Scope(), cut("24h")).current
    assert (sums.calls, sums.served, sums.succeeded) == (4, 3, 2)
    assert sums.retries == 2
    assert sums.saved_usd == Decimal("0.02")
    assert sums.tokens == 120
    assert sums.cacheable == 4


def test_the_quality_of_a_period_is_the_mean_of_its_scored_calls():
    calls = [settled(NOW), settled(NOW, agent="other"), settled(NOW)]
    record(*calls)
    assert queries.totals(Scope(), cut("24h")).current.quality_score is None
    for settlement, value in zip(calls[:2], (9, 7.5), strict=True):
        score_record(call_id=settlement.call.id, value=value, scored_by="test")
    sums = queries.totals(Scope(), cut("24h")).current
    assert (sums.scored, sums.quality_score) == (2, Decimal("8.25"))


def test_latency_is_that_of_models_answers_alone():
    record(*(settled(NOW, ms=100.0 * n) for n in range(1, 101)))
    record(settled(NOW, status="cached", ms=1.0), settled(NOW, status="error", ms=1e6))
    merged = queries.latencies(Scope(), cut("7d")).current
    assert quantile(merged, 0.5) == pytest.approx(5000, rel=0.025)
    assert quantile(merged, 0.95) == pytest.approx(9500, rel=0.025)


def test_first_tokens_are_those_of_streams():
    record(settled(NOW, ttft=200.0), settled(NOW))
    merged = queries.first_tokens(Scope(), cut("24h"))
    assert quantile(merged, 0.95) == pytest.approx(200, rel=0.025)
    assert queries.first_tokens(Scope(agent=("nobody",)), cut("24h")) == []


def test_series_are_the_six_largest_and_the_rest():
    record(
        *(settled(NOW, model=f"openai/m{n}", cost=f"0.{n}") for n in range(1, 9)),
        settled(NOW - 8 * DAY, model="openai/m8", cost="0.5"),
    )
    found = queries.series(Scope(), cut("7d"), by="model", metric="cost")
    assert [one.key for one in found[:2]] == ["openai/m8", "openai/m7"]
    assert found[-1].key == OTHER
    assert found[-1].total == Decimal("0.3")
    assert len(found) == 7
    assert found[0].previous == Decimal("0.5")
    assert sum(found[0].values) == found[0].total == Decimal("0.8")


@pytest.mark.parametrize(
    ("by", "metric", "key", "total"),
    [
        ("agent", "calls", "bot", 1),
        ("team", "tokens", "care", 120),
        ("prompt", "cost", "sum", Decimal("0.01")),
    ],
)
def test_series_go_by_any_dimension_and_metric(by, metric, key, total):
    record(settled(NOW, prompt="sum"))
    found = queries.series(Scope(), cut("24h"), by=by, metric=metric)
    assert [(one.key, one.total) for one in found] == [(key, total)]


def test_filters_admit_and_exclude():
    record(
        settled(NOW, agent="bot"),
        settled(NOW, agent="writer"),
        settled(NOW, agent="writer", model="a/b"),
    )

    def calls(**scope):
        return queries.totals(Scope(**scope), cut("24h")).current.calls

    assert calls() == 3
    assert calls(agent=("writer",)) == 2
    assert calls(agent=("bot", "writer"), model=("!a/b",)) == 2
    assert calls(agent=("' OR true --",)) == 0


def test_a_facet_counts_the_calls_of_each_value():
    record(settled(NOW, agent="bot"), settled(NOW), settled(NOW, agent="writer"))
    assert queries.facet(cut("24h"), "agent") == [("bot", 2), ("writer", 1)]
    with pytest.raises(ValueError, match="password"):
        queries.facet(cut("24h"), "password")


def test_the_month_is_forecast_as_a_budget_of_it_is():
    record(settled(NOW, cost="7"), settled(NOW - 4 * DAY, cost="7"))
    began, ends = utc(2026, 10, 31, 23), utc(2026, 11, 30, 23)  # November in Paris
    budget = Budget(name="All", limit_usd=9, time_zone="Europe/Paris")
    tile = read_facts(Scope(), cut("7d")).forecast
    assert tile is not None
    assert tile == budget_forecast(budget, spent=Decimal(14), ends=ends, now=NOW)
    assert tile.low < tile.usd < tile.high
    standing = BudgetStanding(
        *(1, "All", Decimal(20), "month", True, Decimal(14), Decimal(0)),
        *(began, ends, NOW),
        forecast=tile,
    )
    assert NOW < standing.runs_out < ends


def test_two_days_are_too_few_for_a_forecast():
    record(settled(utc(2026, 11, 2), cost="7"))
    assert read_facts(Scope(), cut("7d", now=utc(2026, 11, 3))).forecast is None


@pytest.mark.parametrize(
    "scope",
    [
        Scope(prompt=("welcome",)),
        Scope(status=("error",)),
        Scope(user=("ada",)),
        Scope(user=("!bob",), agent=("bot",)),
        Scope(key=("k1",), status=("error",)),
    ],
)
def test_every_filter_is_served_from_the_sums_that_know_it(scope):
    record(
        settled(NOW, prompt="welcome", user="ada", key="k1", status="error"),
        settled(NOW, prompt="other", user="bob", key="k2"),
    )
    assert queries.totals(scope, cut("24h")).current.calls == 1
    assert queries.latencies(scope, cut("24h")).current is not None
    assert [
        one.key for one in queries.series(scope, cut("24h"), by="agent", metric="calls")
    ] == ["bot"]


def test_an_experiments_calls_are_those_of_its_variants_in_its_time():
    prompt = Prompt.objects.create(slug="welcome", name="Welcome")
    version = PromptVersion.objects.create(prompt=prompt, number=1, messages=[])
    experiment = Experiment.objects.create(
        slug="shorter",
        prompt=prompt,
        status="stopped",
        started_at=NOW - DAY,
        stopped_at=NOW - DAY / 2,
    )
    experiment.variants.create(name="brief", version=version)
    record(
        settled(NOW - DAY + MINUTE, prompt="welcome", variant="brief"),
        settled(NOW - 3 * DAY, prompt="welcome", variant="brief"),
        settled(NOW - DAY + MINUTE, prompt="welcome"),
    )
    assert queries.totals(Scope(exp=("shorter",)), cut("7d")).current.calls == 1
    assert queries.totals(Scope(exp=("!shorter",)), cut("7d")).current.calls == 2


def test_nothing_is_compared_with_a_period_that_was_half_watched():
    record(settled(NOW), settled(NOW - 8 * DAY))
    assert not comparison(cut("7d")).whole
    record(settled(NOW - 20 * DAY))
    assert comparison(cut("7d")).whole


def test_calls_of_the_last_minutes_are_counted():
    record(settled(NOW), settled(NOW - 10 * MINUTE))
    assert queries.calls_since(Scope(), NOW - 5 * MINUTE) == 1


def test_a_budget_of_the_demo_is_foreseen_by_the_demos_days():
    Team.objects.create(slug="show", name="Show", is_demo=True)
    record(*(settled(NOW - n * DAY, team="show", cost="7") for n in range(1, 5)))
    ends = utc(2026, 11, 30, 23)
    ours = Budget(name="Demo", team="show", time_zone="Europe/Paris")
    everybodys = Budget(name="All", time_zone="Europe/Paris")
    foreseen = [
        budget_forecast(each, spent=Decimal(0), ends=ends, now=NOW)
        for each in (ours, everybodys)
    ]
    assert foreseen[0] is not None
    assert foreseen[1] is None
