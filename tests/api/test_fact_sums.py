"""Sums that no rollup has come from the facts, and agree with the rollups."""

import datetime as dt
import itertools
from decimal import Decimal

import pytest
from django.utils import timezone

from costs.models import Attempt
from devora_ops.common.ids import first_uuid7_at
from tests.api.callers import as_key
from tests.api.test_calls import make_call
from tests.api.test_costs import work

pytestmark = pytest.mark.django_db

COSTS = "/api/v1/costs/"
OVERVIEW = "/api/v1/metrics/overview/"
_moments = itertools.count(1)


@pytest.fixture
def api():
    return as_key("read")


def served(*, cost="0.5", tries=1, **fields):
    """Make a call whose attempts cost so much each, under the same dimensions."""
    call = make_call(minutes_ago=next(_moments), attempts=tries, **fields)
    shared = ("team", "agent", "end_user", "key", "model", "prompt", "prompt_version")
    who = {name: getattr(call, name) for name in (*shared, "experiment", "variant")}
    for number in range(1, tries + 1):
        Attempt.objects.create(
            id=first_uuid7_at(call.finished_at + dt.timedelta(milliseconds=number)),
            call_id=call.id,
            number=number,
            provider=call.model.split("/")[0],
            state="settled",
            settled_at=call.finished_at,
            input_tokens=100,
            cache_read_tokens=40,
            output_tokens=20,
            cost_usd=None if cost is None else Decimal(cost),
            latency_ms=100,
            **who,
        )
    return call


def test_keys_of_a_prompt_are_summed_over_the_last_hours(api):
    served(key="k1", prompt="greet", cost="0.5", tries=2)
    served(key="k2", prompt="greet", cost="2")
    served(key="k1", prompt="other", cost="8")
    body = api.get(f"{COSTS}?by=key&prompt=greet&from=now-2h").json()
    rows = [
        (r["key"], r["calls"], r["attempts"], r["cost_usd"]) for r in body["results"]
    ]
    assert rows == [("k2", 1, 1, "2"), ("k1", 1, 2, "1")]
    assert body["total"]["cost_usd"] == "3"
    assert body["total"]["input_tokens"] == 300
    assert body["total"]["cached_tokens"] == 120
    assert body["total"]["output_tokens"] == 60


def test_experiments_are_summed_with_their_variants(api):
    served(experiment="tone", variant="warm", prompt="greet", cost="1")
    served(experiment="tone", variant="cool", prompt="greet", cost="2")
    served(cost="4")
    body = api.get(f"{COSTS}?by=experiment,variant&from=now-24h").json()
    assert [
        (r["experiment"], r["variant"], r["cost_usd"]) for r in body["results"]
    ] == [
        ("", "", "4"),
        ("tone", "cool", "2"),
        ("tone", "warm", "1"),
    ]


def test_attempts_count_under_the_status_of_their_call(api):
    served(status="error", end_user="u", prompt="greet", cost="1")
    served(status="ok", end_user="u", prompt="greet", cost="2")
    query = "by=user&prompt=greet&status=error&from=now-2h"
    rows = api.get(f"{COSTS}?{query}").json()["results"]
    assert [(r["user"], r["calls"], r["cost_usd"]) for r in rows] == [("u", 1, "1")]


def test_what_has_no_price_is_counted_and_costs_nothing(api):
    served(end_user="u", prompt="greet", cost=None)
    total = api.get(f"{COSTS}?by=user&prompt=greet&from=now-2h").json()["total"]
    assert (total["unpriced"], total["cost_usd"]) == (1, "0")


def test_facts_are_grouped_by_local_days(api):
    served(end_user="u", prompt="greet", cost="1")
    query = "by=user,prompt,day&tz=Europe/Paris&from=now-2h"
    rows = api.get(f"{COSTS}?{query}").json()["results"]
    assert sum(Decimal(row["cost_usd"]) for row in rows) == 1
    assert all(row["day"][10:19] == "T00:00:00" for row in rows)


def test_what_lies_outside_of_the_range_is_left_out(api):
    inside = served(end_user="in", prompt="greet")
    make_call(minutes_ago=180, end_user="out", prompt="greet")
    rows = api.get(f"{COSTS}?by=user&prompt=greet&from=now-2h").json()["results"]
    assert [row["user"] for row in rows] == [inside.end_user]


def test_the_refusal_of_a_longer_range_says_how_far_one_may_go(api):
    answer = api.get(f"{COSTS}?by=key&prompt=p&from=now-25h")
    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert error["attr"] == "from"
    assert "24 hours" in error["detail"]


def test_a_whole_day_is_within_reach(api):
    assert api.get(f"{COSTS}?by=key&prompt=p&from=now-24h").status_code == 200


def test_the_overview_of_a_user_and_a_prompt_comes_from_facts(api):
    for ms in (100.0, 100.0, 5000.0):
        served(
            end_user="u", prompt="greet", latency_ms=ms, cache="miss", ttft_ms=ms / 2
        )
    served(end_user="u", prompt="greet", status="error", latency_ms=1, cache="miss")
    served(end_user="v", prompt="greet", latency_ms=1)
    body = api.get(f"{OVERVIEW}?user=u&prompt=greet&from=now-2h").json()
    assert body["calls_by_status"] == {"ok": 3, "error": 1}
    assert body["success_rate"] == 0.75
    assert body["latency_ms"]["p50"] == pytest.approx(100, rel=0.025)
    assert body["latency_ms"]["p99"] == pytest.approx(5000, rel=0.025)
    assert body["ttft_ms"]["p50"] == pytest.approx(50, rel=0.025)
    assert body["cache_hit_rate"] == 0


def test_providers_are_the_beginnings_of_models(api):
    bucket = timezone.now().isoformat()
    work(bucket=bucket, model="a/small", cost_usd="1")
    work(bucket=bucket, model="a/big", cost_usd="2")
    work(bucket=bucket, model="b/vendor/small", cost_usd="4")
    work(bucket=bucket, model="", status="blocked", calls=1)
    rows = api.get(f"{COSTS}?by=provider&from=now-1h&to=now").json()["results"]
    assert [(r["provider"], r["cost_usd"]) for r in rows] == [
        ("b", "4"),
        ("a", "3"),
        ("", "0"),
    ]
    total = api.get(f"{COSTS}?provider=a&from=now-1h").json()["total"]
    assert total["cost_usd"] == "3"


def test_versions_of_a_prompt_are_summed_and_filtered(api):
    bucket = timezone.now().isoformat()
    for version, cost in ((1, "1"), (2, "2")):
        work(bucket=bucket, prompt="greet", prompt_version=version, cost_usd=cost)
    query = "by=prompt_version&prompt=greet&from=now-30d"
    rows = api.get(f"{COSTS}?{query}").json()["results"]
    assert [(r["prompt_version"], r["cost_usd"]) for r in rows] == [(2, "2"), (1, "1")]
    total = api.get(f"{COSTS}?{query}&prompt_version=1").json()["total"]
    assert total["cost_usd"] == "1"
