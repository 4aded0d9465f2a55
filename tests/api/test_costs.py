"""Cost summaries and the overview: sums of the rollups, to the last digit."""

import datetime as dt
import json

import pytest
from django.db import connection

from costs.rollups import pack
from tests.api.callers import as_key

pytestmark = pytest.mark.django_db

COSTS = "/api/v1/costs/"
OVERVIEW = "/api/v1/metrics/overview/"
MARCH = "from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z"


@pytest.fixture
def api():
    return as_key("read")


def roll_up(table, *, bucket="2026-03-10T12:00:00Z", latencies=(), **columns):
    """Add a rollup row; what is not named is empty or zero."""
    keys: dict[str, object] = {
        "team": "care",
        "agent": "support",
        "model": "a/small",
        "status": "ok",
    }
    if table == "costs_rollup_work":
        keys |= {"prompt": "", "prompt_version": 0, "variant": ""}
    else:
        keys |= {"end_user": "", "key": ""}
    measures = dict.fromkeys(
        ("calls", "attempts", "input_tokens", "cached_tokens", "output_tokens"), 0
    ) | dict.fromkeys(
        ("failed", "cost_usd", "saved_usd", "unpriced", "cacheable", "scored"), 0
    )
    row = {
        "bucket": bucket,
        **keys,
        **measures,
        "score_sum": 0,
        "latency_ms": sum(latencies),
        "latency": pack(latencies),
        "ttft": [],
        **columns,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} SELECT * "
            f"FROM jsonb_populate_record(NULL::{table}, %s)",
            [json.dumps(row)],
        )


def work(**columns):
    roll_up("costs_rollup_work", **columns)


def who(**columns):
    roll_up("costs_rollup_who", **columns)


def results(api, query):
    return api.get(f"{COSTS}?{query}").json()["results"]


def test_spend_by_model_and_agent_is_exact_and_dearest_first(api):
    work(model="a/small", cost_usd="0.000000001", calls=2)
    work(model="a/big", cost_usd="12.345678901", calls=1, attempts=2)
    work(model="a/big", agent="other", cost_usd="1", status="error")
    body = api.get(f"{COSTS}?by=model,agent&{MARCH}").json()
    assert [(r["model"], r["agent"], r["cost_usd"]) for r in body["results"]] == [
        ("a/big", "support", "12.345678901"),
        ("a/big", "other", "1"),
        ("a/small", "support", "0.000000001"),
    ]
    assert body["total"]["cost_usd"] == "13.345678902"
    assert body["total"]["calls"] == 3
    assert body["by"] == ["model", "agent"]


def test_the_quality_of_a_row_is_the_mean_of_its_scored_calls(api):
    work(model="a/small", calls=5, scored=2, score_sum="17.5")
    work(model="a/small", agent="other", calls=1, scored=1, score_sum="5")
    work(model="a/big", calls=3, cost_usd="1")
    body = api.get(f"{COSTS}?by=model&{MARCH}").json()
    shown = [(r["model"], r["scored"], r["quality_score"]) for r in body["results"]]
    assert shown == [("a/big", 0, None), ("a/small", 3, 7.5)]
    assert body["total"]["quality_score"] == 7.5


def test_the_total_covers_rows_that_the_limit_cuts(api):
    work(model="a/small", cost_usd="1")
    work(model="a/big", cost_usd="2")
    body = api.get(f"{COSTS}?limit=1&{MARCH}").json()
    assert [row["model"] for row in body["results"]] == ["a/big"]
    assert body["total"]["cost_usd"] == "3"


def test_the_end_of_a_range_is_outside_of_it(api):
    work(bucket="2026-03-01T00:00:00Z", cost_usd="1")
    work(bucket="2026-04-01T00:00:00Z", cost_usd="10")
    work(bucket="2026-02-28T23:45:00Z", cost_usd="100")
    assert [row["cost_usd"] for row in results(api, MARCH)] == ["1"]


def test_a_range_is_widened_to_whole_buckets_and_says_so(api):
    work(bucket="2026-03-10T12:00:00Z", cost_usd="1")
    body = api.get(f"{COSTS}?from=2026-03-10T12:07:00Z&to=2026-03-10T12:08:00Z").json()
    assert body["start"] == "2026-03-10T12:00:00Z"
    assert body["end"] == "2026-03-10T12:15:00Z"
    assert body["total"]["cost_usd"] == "1"


def test_days_are_those_of_the_zone(api):
    work(bucket="2026-03-28T22:45:00Z", cost_usd="1")
    work(bucket="2026-03-28T23:00:00Z", cost_usd="2")
    work(bucket="2026-03-29T21:45:00Z", cost_usd="4")  # a day of 23 hours
    work(bucket="2026-03-29T22:00:00Z", cost_usd="8")
    days = results(api, f"by=day&tz=Europe/Paris&{MARCH}")
    assert {row["day"]: row["cost_usd"] for row in days} == {
        "2026-03-28T00:00:00+01:00": "1",
        "2026-03-29T00:00:00+01:00": "6",
        "2026-03-30T00:00:00+02:00": "8",
    }


def test_users_and_keys_come_from_their_own_family(api):
    who(end_user="u-1", cost_usd="1")
    who(end_user="u-2", cost_usd="2", key="abc")
    assert [row["user"] for row in results(api, f"by=user&{MARCH}")] == ["u-2", "u-1"]
    only = results(api, f"by=user&key=abc&{MARCH}")
    assert [row["user"] for row in only] == ["u-2"]


def test_filters_narrow_rows_and_total(api):
    work(prompt="greet", cost_usd="1")
    work(prompt="other", cost_usd="2")
    body = api.get(f"{COSTS}?by=prompt&prompt=greet&{MARCH}").json()
    assert body["total"]["cost_usd"] == "1"
    assert len(body["results"]) == 1


def test_no_facts_are_zeros(api):
    body = api.get(COSTS).json()
    assert body["results"] == []
    assert body["total"]["cost_usd"] == "0"
    start, end = (dt.datetime.fromisoformat(body[name]) for name in ("start", "end"))
    assert dt.timedelta(days=7) <= end - start <= dt.timedelta(days=7, minutes=15)


def test_the_overview_counts_rates_and_percentiles(api):
    work(calls=90, cost_usd="3", latencies=[100.0] * 88 + [5000.0] * 2, cacheable=90)
    work(calls=10, status="cached", cacheable=10, saved_usd="0.5")
    work(calls=20, status="error")
    work(calls=5, status="blocked")
    body = api.get(f"{OVERVIEW}?{MARCH}").json()
    assert body["calls_by_status"] == {
        "ok": 90,
        "cached": 10,
        "error": 20,
        "blocked": 5,
    }
    assert body["success_rate"] == pytest.approx(100 / 120)
    assert body["cache_hit_rate"] == pytest.approx(10 / 100)
    assert body["total"]["saved_usd"] == "0.5"
    assert body["latency_ms"]["p50"] == pytest.approx(100, rel=0.025)
    assert body["latency_ms"]["p99"] == pytest.approx(5000, rel=0.025)
    assert body["ttft_ms"] == {"p50": None, "p95": None, "p99": None}


def test_an_empty_overview_has_no_rates(api):
    body = api.get(OVERVIEW).json()
    assert body["success_rate"] is None
    assert body["cache_hit_rate"] is None
    assert body["calls_by_status"] == {}
