"""What a simulated call becomes, by how it ended; no database."""

import datetime as dt
from decimal import Decimal

import pytest

from costs.facts import Settlement, Who
from costs.pricing import Price, Rates, Schedule
from costs.snapshot import PriceBook
from devora_ops.demo.facts import FactMaker
from devora_ops.simulator.history import SimulatedCall
from devora_ops.simulator.story import FALLBACKS

AT = dt.datetime(2026, 11, 17, 14, 30, tzinfo=dt.UTC)
ORIGINAL, FALLBACK = next(iter(FALLBACKS.items()))
RATES = Rates(input=Decimal("0.000002"), output=Decimal("0.00001"))


def call(**changes) -> SimulatedCall:
    usual = {
        "at": AT,
        "agent": "support-bot",
        "team": "demo",
        "user": "customer-0001",
        "model": ORIGINAL,
        "prompt": "support-answer",
        "prompt_version": 4,
        "experiment": "",
        "variant": "",
        "status": "ok",
        "error_code": "",
        "input_tokens": 1000,
        "cached_tokens": 0,
        "output_tokens": 100,
        "latency_ms": 2000,
        "ttft_ms": 400,
        "stream": True,
        "attempts": 1,
        "prompt_text": "Why?",
        "answer_text": "Because.",
    }
    return SimulatedCall(**{**usual, **changes})


def settle(
    simulated: SimulatedCall, *, charged: list[Decimal] | None = None
) -> Settlement:
    def charge(who, model, left, cost):
        if charged is not None:
            charged.append(cost)
        return (7,)

    long_ago = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]
    names = (ORIGINAL, FALLBACK)
    prices = PriceBook(
        dict.fromkeys(names, long_ago),
        {name: [Price(1, Schedule(RATES))] for name in names},
    )

    def who(simulated: SimulatedCall) -> Who:
        return Who(team=simulated.team, agent=simulated.agent, prompt="p")

    return FactMaker(prices, who=who, charge=charge).settlement(simulated)


def test_an_answer_is_one_attempt_at_the_books_price():
    charged: list[Decimal] = []
    settlement = settle(call(), charged=charged)
    (attempt,) = settlement.attempts
    assert attempt.cost_usd == settlement.call.cost_usd == Decimal("0.003")
    assert attempt.counters == (7,)
    assert charged == [Decimal("0.003")]
    assert settlement.call.http_status == 200
    assert settlement.call.finished_at == AT + dt.timedelta(seconds=2)


def test_tries_that_failed_come_before_the_answer_and_take_part_of_its_time():
    settlement = settle(call(attempts=3))
    *failed, answered = settlement.attempts
    assert [a.number for a in settlement.attempts] == [1, 2, 3]
    assert [a.http_status for a in failed] == [529, 529]
    assert all(a.cost_usd == 0 and a.error_code for a in failed)
    assert sum(a.latency_ms for a in settlement.attempts) == pytest.approx(2000)
    assert answered.usage == settlement.call.usage
    assert settlement.call.cost_usd == Decimal("0.003")


def test_a_fallback_answers_after_the_original_failed():
    attempts = settle(call(model=FALLBACK, attempts=3)).attempts
    assert [a.model for a in attempts] == [ORIGINAL, ORIGINAL, FALLBACK]
    assert attempts[-1].provider == "openrouter"


def test_a_time_out_is_charged_at_its_worst_case():
    settlement = settle(
        call(status="timeout", error_code="provider_timeout", output_tokens=0)
    )
    (attempt,) = settlement.attempts
    assert attempt.state == "unknown"
    assert attempt.estimated
    assert attempt.cost_usd > Decimal("0.01")
    assert settlement.call.http_status == 504


@pytest.mark.parametrize(
    ("status", "code", "http_status"),
    [
        ("blocked", "budget_exceeded", 402),
        ("rate_limited", "rate_limit_exceeded", 429),
    ],
)
def test_a_refusal_leaves_no_attempt_and_costs_nothing(status, code, http_status):
    settlement = settle(call(status=status, error_code=code, attempts=0))
    assert settlement.attempts == ()
    assert settlement.call.cost_usd == 0
    assert settlement.call.http_status == http_status


def test_the_cache_saves_what_the_answer_would_have_cost():
    settlement = settle(call(status="cached", attempts=0))
    assert settlement.call.cache == "hit"
    assert settlement.call.cost_usd == 0
    assert settlement.call.saved_usd == Decimal("0.003")


def test_a_model_without_a_price_costs_nobody_knows_what():
    settlement = settle(call(model="openai/unheard-of"))
    assert settlement.call.cost_usd is None
    assert settlement.attempts[0].price_id is None


def test_who_asks_the_same_of_a_version_has_one_fingerprint():
    def of(**changes):
        return settle(call(**changes)).call.fingerprint

    assert of() == of(user="customer-0002", stream=False) is not None
    assert len({of(), of(prompt_text="How?"), of(prompt_version=5)}) == 3
    assert of(status="rate_limited", attempts=0) is None
