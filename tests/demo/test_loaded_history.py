"""What `demo load` leaves in the ledger: facts and sums as the gateway writes them."""

import datetime as dt
import json
from decimal import Decimal

import pytest

from costs.models import Price
from costs.pricing import make_price, round_usd
from costs.verification import discrepancies
from devora_ops.common.ids import uuid7_time
from devora_ops.demo.loading import load
from llm.providers.openai import read_usage
from tests.demo.conftest import CALLS_PER_DAY, NOW, Demo
from tests.demo.sums import FROM_FACTS, FROM_ROLLUPS, ROLLUPS


def test_it_loads_thirty_days(demo: Demo):
    (found,) = demo.rows(
        "SELECT count(*) AS calls, min(finished_at) AS first, max(finished_at) AS last "
        "FROM costs_call WHERE team = 'demo'"
    )
    assert found["calls"] == demo.calls == 30 * CALLS_PER_DAY
    assert found["first"] < NOW - dt.timedelta(days=29)
    assert NOW - dt.timedelta(days=1) < found["last"] < NOW


@pytest.mark.parametrize("table", ROLLUPS)
def test_facts_and_rollups_agree(demo: Demo, table: str):
    (facts,) = demo.rows(FROM_FACTS, "demo")
    (rollup,) = demo.rows(FROM_ROLLUPS.format(table=table), "demo")
    assert rollup == facts
    assert facts["cost"] > 1


def test_the_ledger_adds_up_with_the_demo_in_it(demo: Demo):
    with demo.orm():
        assert [s for s in discrepancies() if "Demo" in s] == []


def test_loading_again_does_nothing(demo: Demo):
    before = demo.rows("SELECT count(*) FROM costs_attempt")
    with demo.orm():
        assert load(demo.secrets, now=NOW) is None
    assert demo.rows("SELECT count(*) FROM costs_attempt") == before


def test_every_answer_costs_what_the_price_book_says(demo: Demo):
    with demo.orm():
        prices = {row["id"]: make_price(row) for row in Price.objects.values()}
    answered = demo.rows(
        "SELECT price_id, raw_usage, cost_usd FROM costs_attempt "
        "WHERE team = 'demo' AND state = 'settled' AND http_status = 200"
    )
    for row in answered:
        usage, anomaly = read_usage(row["raw_usage"])
        assert usage is not None
        assert not anomaly
        assert row["cost_usd"] == round_usd(prices[row["price_id"]].cost(usage))
    assert len(answered) > 0.8 * demo.calls


def test_an_id_tells_when_its_call_began(demo: Demo):
    for row in demo.rows("SELECT * FROM costs_call WHERE team = 'demo' LIMIT 50"):
        took = row["finished_at"] - uuid7_time(row["id"])
        assert took.total_seconds() * 1000 == pytest.approx(row["latency_ms"], abs=2)


def test_calls_name_prompts_versions_and_keys_that_exist(demo: Demo):
    unknown = demo.rows(
        "SELECT DISTINCT c.prompt, c.prompt_version, c.key FROM costs_call AS c "
        "WHERE c.team = 'demo' AND (NOT EXISTS (SELECT 1 FROM prompts_promptversion v "
        "JOIN prompts_prompt p ON p.id = v.prompt_id "
        "WHERE p.slug = c.prompt AND v.number = c.prompt_version) "
        "OR NOT EXISTS (SELECT 1 FROM llm_apikey k WHERE k.public_id = c.key))"
    )
    assert unknown == []


def test_variants_serve_the_versions_of_the_running_experiment(demo: Demo):
    planned = demo.rows(
        "SELECT e.slug, a.name, v.number FROM experiments_variant a "
        "JOIN experiments_experiment e ON e.id = a.experiment_id "
        "JOIN prompts_promptversion v ON v.id = a.version_id "
        "WHERE e.status = 'running' AND e.slug = 'support-shorter-answers'"
    )
    served = demo.rows(
        "SELECT DISTINCT experiment, variant, prompt_version FROM costs_call "
        "WHERE team = 'demo' AND experiment <> ''"
    )
    assert sorted(map(tuple, map(dict.values, planned))) == sorted(
        map(tuple, map(dict.values, served))
    )
    (seen,) = demo.rows(
        "SELECT count(DISTINCT end_user) AS people, (SELECT count(*) FROM "
        "experiments_exposure x JOIN experiments_experiment e ON e.id = x.experiment_id "
        "WHERE e.slug = 'support-shorter-answers') AS exposures "
        "FROM costs_call WHERE team = 'demo' AND experiment <> ''"
    )
    assert seen["exposures"] == seen["people"] > 0


def test_a_version_is_older_than_the_calls_it_served(demo: Demo):
    rows = demo.rows(
        "SELECT v.created_at, min(c.finished_at) AS first FROM costs_call AS c "
        "JOIN prompts_prompt p ON p.slug = c.prompt "
        "JOIN prompts_promptversion v ON v.prompt_id = p.id "
        "AND v.number = c.prompt_version WHERE c.team = 'demo' GROUP BY v.id"
    )
    assert len(rows) == 6
    assert all(row["created_at"] < row["first"] for row in rows)


def test_the_month_stands_at_four_fifths_of_its_budget(demo: Demo):
    budgets = demo.rows(
        "SELECT b.name, b.limit_usd, b.period, k.spent FROM costs_budget b "
        "JOIN costs_counter k ON k.budget_id = b.id WHERE b.team = 'demo' "
        "AND k.period_start <= %s AND k.period_end > %s",
        NOW,
        NOW,
    )
    share = {row["period"]: row["spent"] / row["limit_usd"] for row in budgets}
    assert Decimal("0.8") <= share["month"] < Decimal("0.89")
    assert share["day"] < 1


def test_bodies_of_the_last_days_are_kept(demo: Demo):
    rows = demo.rows(
        "SELECT c.finished_at, c.stream, k.request, k.response FROM llm_content k "
        "JOIN costs_call c ON c.id = k.call_id WHERE c.team = 'demo'"
    )
    assert len(rows) > CALLS_PER_DAY
    for row in rows:
        assert row["finished_at"] > NOW - dt.timedelta(days=3)
        assert json.loads(row["request"])["messages"][-1]["content"]
        answer = json.loads(row["response"])
        assert answer["content"] if row["stream"] else answer["choices"]


def test_only_minutes_that_the_hour_view_needs_are_kept(demo: Demo):
    minutes = demo.rows("SELECT bucket FROM costs_rollup_minute WHERE team = 'demo'")
    assert all(row["bucket"] >= NOW - dt.timedelta(hours=3) for row in minutes)
