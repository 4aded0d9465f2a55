"""A budget over traffic that has been says what call after call would have said."""

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costs.replay import Bucket, Rules, Touched, replay

BEGAN = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


@st.composite
def traffic(draw):
    """Return quarters of an hour as (calls, cost of each call)."""
    one = st.tuples(st.integers(0, 20), st.decimals(0, 5, places=3))
    return draw(st.lists(one, max_size=30))


@st.composite
def rules(draw):
    hard = draw(st.booleans())
    most = 100 if hard else 200
    down = draw(st.none() | st.integers(1, most))
    return Rules(
        limit_usd=draw(st.decimals(0, 200, places=2)),
        hard=hard,
        warn_at=draw(st.lists(st.integers(1, most), unique=True, max_size=3)),
        route_down_at=down,
        cache_only_at=draw(st.none() | st.integers(down or 1, most)),
    )


def buckets(quarters, *, a_period=10):
    return [
        Bucket(
            BEGAN + (number // a_period) * a_period * QUARTER,
            BEGAN + number * QUARTER,
            calls,
            calls * each,
        )
        for number, (calls, each) in enumerate(quarters)
    ]


def call_by_call(bucket_list, rules):
    """Replay every single call; return the figures by period, as plain values."""
    periods = {}
    for bucket in bucket_list:
        if not bucket.calls:
            continue
        period = periods.setdefault(
            bucket.period,
            {"spent": Decimal(0), "down": [], "cache": [], "block": [], "steps": {}},
        )
        each = bucket.cost_usd / bucket.calls
        for _ in range(bucket.calls):
            take(period, each, rules, bucket.start)
    return periods


def take(period, each, rules, when):
    def stands(at):
        return at is not None and period["spent"] * 100 >= rules.limit_usd * at

    if stands(rules.cache_only_at):
        period["cache"].append(each)
    elif rules.hard and period["spent"] + each > rules.limit_usd and each:
        period["block"].append(each)
        period["steps"].setdefault(("block", 100), when)
    else:
        if stands(rules.route_down_at):
            period["down"].append(each)
        period["spent"] += each
    for effect, at in (
        *((("warn", at) for at in rules.warn_at) if rules.limit_usd else ()),
        ("route_down", rules.route_down_at),
        ("cache_only", rules.cache_only_at),
    ):
        if stands(at):
            period["steps"].setdefault((effect, at), when)


def touched(costs):
    return Touched(len(costs), sum(costs, Decimal(0)))


@given(traffic(), rules())
def test_sums_say_what_every_single_call_says(quarters, rules):
    them = buckets(quarters)
    expected = call_by_call(them, rules)
    found = {each.start: each for each in replay(them, rules)}
    for start, period in expected.items():
        assert found[start].spent_usd == period["spent"]
        assert found[start].routed_down == touched(period["down"])
        assert found[start].cache_only == touched(period["cache"])
        assert found[start].refused == touched(period["block"])
        steps = {(step.effect, step.at): step.when for step in found[start].steps}
        assert steps == period["steps"]


@given(traffic(), rules())
def test_what_is_let_through_and_what_is_not_is_all_there_was(quarters, rules):
    them = buckets(quarters)
    found = replay(them, rules)
    through = sum(each.spent_usd + each.cache_only.usd for each in found)
    refused = sum(each.refused.usd for each in found)
    assert through + refused == sum(bucket.cost_usd for bucket in them)


@given(traffic(), rules())
def test_a_hard_budget_lets_no_period_spend_more_than_its_limit(quarters, rules):
    for period in replay(buckets(quarters), rules):
        assert not rules.hard or period.spent_usd <= rules.limit_usd


def test_what_attempts_elsewhere_cost_is_spent_without_a_call_of_its_own():
    alone = Bucket(BEGAN, BEGAN, 0, Decimal(3))
    (period,) = replay([alone], Rules(Decimal(10), hard=True, warn_at=[20]))
    assert period.spent_usd == 3
    assert [step.at for step in period.steps] == [20]
    (refused,) = replay([alone], Rules(Decimal(2), hard=True))
    assert refused.refused == Touched(0, Decimal(3))
