"""Thirty believable days: pure, so no server is needed."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from devora_ops.simulator.cast import ROLES
from devora_ops.simulator.history import SimulatedCall, generate
from devora_ops.simulator.story import FALLBACKS, Story

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def calls() -> list[SimulatedCall]:
    """A month of 600 calls a day."""
    return list(generate(30, 7, 600, NOW))


def test_it_makes_as_many_calls_as_asked_in_order_of_time(calls: list[SimulatedCall]):
    assert len(calls) == 18_000
    assert all(before.at <= after.at for before, after in pairwise(calls))
    assert calls[0].at >= NOW - timedelta(days=30)
    assert calls[-1].at < NOW


def test_the_same_seed_makes_the_same_calls():
    assert list(generate(3, 5, 50, NOW)) == list(generate(3, 5, 50, NOW))
    assert list(generate(3, 5, 50, NOW)) != list(generate(3, 6, 50, NOW))


def test_no_days_are_no_calls():
    assert list(generate(0, 5, 50, NOW)) == []


def test_days_have_working_hours_and_weekends(calls: list[SimulatedCall]):
    local = [call.at.astimezone(PARIS) for call in calls]
    hours = Counter(at.hour for at in local)
    assert hours[10] > 5 * hours[3]
    days = Counter(at.date() for at in local)
    weekend = [n for day, n in days.items() if day.weekday() >= 5]
    week = [n for day, n in days.items() if day.weekday() < 5]
    assert max(weekend) < sorted(week)[len(week) // 2]


def test_traffic_grows(calls: list[SimulatedCall]):
    first, *_, last = (
        sum(
            NOW - timedelta(days=d + 7) <= c.at < NOW - timedelta(days=d) for c in calls
        )
        for d in (21, 14, 7, 0)
    )
    assert last > 1.1 * first


def test_four_agents_call_for_the_demo_team(calls: list[SimulatedCall]):
    agents = Counter(call.agent for call in calls)
    for role in ROLES:
        assert agents[role.agent] / len(calls) == pytest.approx(role.share, abs=0.02)
    assert {call.team for call in calls} == {"demo"}
    assert len({call.model for call in calls}) >= 6


def test_the_incident_hurts_one_provider_for_ninety_minutes(
    calls: list[SimulatedCall],
):
    incident = Story(NOW).incident
    assert incident.start.astimezone(PARIS).weekday() < 5
    hurt = [
        call
        for call in calls
        if call.at in incident
        and (call.model.startswith("anthropic/") or call.model in FALLBACKS.values())
    ]
    failed = [call for call in hurt if call.status in {"error", "timeout"}]
    assert len(failed) > 0.3 * len(hurt)
    others = [call for call in calls if call.at not in incident]
    errors = sum(call.status in {"error", "timeout"} for call in others)
    assert errors < 0.02 * len(others)


def test_the_promotion_makes_a_review_cheaper(calls: list[SimulatedCall]):
    tokens = defaultdict(list)
    for call in calls:
        if call.agent == "code-reviewer" and call.status == "ok":
            tokens[call.prompt_version].append(call.input_tokens)
    before, after = (sum(v) / len(v) for _, v in sorted(tokens.items()))
    assert after < 0.65 * before


def test_the_experiment_keeps_its_people_apart(calls: list[SimulatedCall]):
    variants = defaultdict(set)
    for call in calls:
        if call.experiment:
            assert call.at >= NOW - timedelta(days=9)
            variants[call.user].add((call.variant, call.prompt_version))
    assert all(len(seen) == 1 for seen in variants.values())
    people = Counter(next(iter(seen)) for seen in variants.values())
    assert len(people) == 2
    assert max(people.values()) < 1.15 * min(people.values())


def test_statuses_agree_with_what_was_tried(calls: list[SimulatedCall]):
    for call in calls:
        tried = call.status in {"ok", "error", "timeout"}
        assert (call.attempts > 0) is tried
        assert bool(call.error_code) is (call.status not in {"ok", "cached"})
        assert bool(call.output_tokens) is (call.status in {"ok", "cached"})
        assert call.cached_tokens <= call.input_tokens
        assert call.latency_ms > 0
        assert call.ttft_ms is None or 0 < call.ttft_ms <= call.latency_ms
    assert {call.status for call in calls} == {
        *("ok", "error", "timeout", "rate_limited", "blocked", "cached")
    }
