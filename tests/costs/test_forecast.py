"""Forecasts: what they say, what they leave unsaid, and how often they are right."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.forecast import FEWEST_DAYS, LOOKS_BACK_DAYS, SEASONAL_DAYS, forecast

TODAY = dt.date(2026, 3, 12)
ENDS = dt.date(2026, 4, 1)


def days_before(costs, today=TODAY):
    first = today - dt.timedelta(len(costs))
    return {first + dt.timedelta(n): Decimal(cost) for n, cost in enumerate(costs)}


def told(costs, *, spent=Decimal(0), today=TODAY, passed=0.0, ends=ENDS):
    return forecast(
        spent, days_before(costs, today), today=today, passed=passed, ends=ends
    )


def test_days_that_are_all_alike_go_on_so_without_a_doubt():
    said = told([10] * 28, spent=Decimal(110), passed=0.5)
    assert said.usd == said.low == said.high == Decimal(110) + 10 * Decimal("19.5")


def test_weekends_that_cost_nothing_are_not_counted_on():
    week = [0 if (TODAY - dt.timedelta(28 - n)).weekday() > 4 else 7 for n in range(28)]
    ends = TODAY + dt.timedelta(7)
    assert Decimal(34) < told(week, ends=ends).usd < Decimal(36)


@pytest.mark.parametrize("known", range(LOOKS_BACK_DAYS + 5))
def test_its_method_is_stated_and_needs_days(known):
    said = told([5] * known)
    if known < FEWEST_DAYS:
        assert said is None
    else:
        assert said.method == ("weekdays" if known >= SEASONAL_DAYS else "pace")


def test_what_was_before_the_first_spend_is_no_history():
    assert told([0] * 20 + [5, 5]) is None


def test_a_period_that_is_over_has_none():
    assert told([5] * 20, ends=TODAY) is None


amounts = st.decimals(0, 10_000, places=4)


@given(
    costs=st.lists(amounts, min_size=FEWEST_DAYS, max_size=40),
    spent=amounts,
    passed=st.floats(0, 1),
    left=st.integers(1, 92),
)
def test_it_lies_in_its_band_and_never_below_what_is_spent(costs, spent, passed, left):
    costs = [Decimal(1), *costs]
    ends = TODAY + dt.timedelta(left)
    said = told(costs, spent=spent, passed=passed, ends=ends)
    assert spent <= said.low <= said.usd <= said.high


@given(costs=st.lists(amounts, min_size=3, max_size=28), times=st.integers(2, 50))
def test_it_grows_with_what_was_spent(costs, times):
    costs = [Decimal(1), *costs]
    more = [cost * times for cost in costs]
    once, often = told(costs), told(more)
    assert abs(often.usd - once.usd * times) < Decimal("0.0001")


@pytest.mark.parametrize("known", [4, 8, 14, 28])
def test_its_band_holds_about_four_times_out_of_five(known):
    dice = random.Random(f"days known: {known}")
    held = 0
    for _ in range(400):
        weekly = [1, 1.1, 1.2, 1.1, 1, 0.6, 0.5] if known >= 14 else [1] * 7
        level = dice.uniform(5, 500)
        days = [
            max(0.0, dice.gauss(level * weekly[n % 7], level * 0.2))
            for n in range(known + 15)
        ]
        said = told(
            [f"{cost:.6f}" for cost in days[:known]], ends=TODAY + dt.timedelta(15)
        )
        held += said.low <= Decimal(sum(days[known:])) <= said.high
    assert 0.7 < held / 400 < 0.92
