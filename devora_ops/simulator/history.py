"""Thirty believable days of calls for the demo (who is in cast.py, what in story.py).

Pure: the same arguments, the same calls.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from devora_ops.simulator.cast import ROLES, TEAM, Role, Sizes
from devora_ops.simulator.latency import draw, speed_of
from devora_ops.simulator.sentences import paragraph
from devora_ops.simulator.story import FAILING_PROVIDER, FALLBACKS, PARIS, Story

Status = Literal["ok", "error", "timeout", "rate_limited", "blocked", "cached"]

_HOUR = timedelta(hours=1)
_GROWTH = 0.3
_SATURDAY = 5
_TIMEOUT_MS = 60_000
_SENTENCE_TOKENS = 40
_CACHE_BLOCK = 128


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """One call as it was served. at: aware UTC; user: "" where none is named.

    attempts: upstream tries, 0 for what never left (cached, blocked, rate_limited). A
    cached call's tokens are those of the answer it repeats: what the cache saved.
    input_tokens includes cached_tokens; ttft_ms is None unless streamed and answered.
    """

    at: datetime
    agent: str
    team: str
    user: str
    model: str
    prompt: str
    prompt_version: int
    experiment: str
    variant: str
    status: Status
    error_code: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    latency_ms: int
    ttft_ms: int | None
    stream: bool
    attempts: int
    prompt_text: str
    answer_text: str


def generate(
    days: int, seed: int, calls_per_day: float, now: datetime
) -> Iterator[SimulatedCall]:
    """Yield round(days × calls_per_day) calls before now, in order of time."""
    dice = Random(seed)
    story = Story(now)
    for start, counts in _hours(days, calls_per_day, now, dice):
        moments = [
            (start + timedelta(seconds=dice.random() * 3600), role)
            for role, count in zip(ROLES, counts, strict=True)
            for _ in range(count)
        ]
        moments.sort(key=lambda moment: moment[0])
        for at, role in moments:
            yield _call(role, at, story, dice)


def _hours(
    days: int, calls_per_day: float, now: datetime, dice: Random
) -> Iterator[tuple[datetime, list[int]]]:
    """Yield every hour's start and each role's number of calls in it."""
    hours = days * 24
    starts = [now - (hours - index) * _HOUR for index in range(hours)]
    weights = [
        [_busy(role, start, index / hours) * dice.uniform(0.85, 1.15) for role in ROLES]
        for index, start in enumerate(starts)
    ]
    totals = [sum(column) for column in zip(*weights, strict=True)]
    shares = [
        [
            role.share * row[position] / totals[position]
            for position, role in enumerate(ROLES)
        ]
        for row in weights
    ]
    yield from zip(starts, _rounded(shares, round(days * calls_per_day)), strict=True)


def _busy(role: Role, start: datetime, progress: float) -> float:
    local = (start + _HOUR / 2).astimezone(PARIS)
    weekend = role.weekend if local.weekday() >= _SATURDAY else 1.0
    return role.hours[local.hour] * weekend * (1 + _GROWTH * progress)


def _rounded(shares: list[list[float]], total: int) -> Iterator[list[int]]:
    """Turn shares into whole numbers with the right sum: the remainder is carried on."""
    scale = total / sum(map(sum, shares)) if shares else 0
    exact, given = 0.0, 0
    for row in shares:
        counts = []
        for share in row:
            exact += share * scale
            counts.append(round(exact) - given)
            given += counts[-1]
        yield counts


def _call(role: Role, at: datetime, story: Story, dice: Random) -> SimulatedCall:
    """Return a call that went well, or what became of it."""
    person = int(dice.random() ** 2 * role.people)
    served = story.serving(role, at, person)
    model = _weighted(role.models, dice)
    input_tokens, cached, output = _tokens(served.sizes, dice)
    pace = draw(speed_of(model), dice)
    call = SimulatedCall(
        at=at,
        agent=role.agent,
        team=TEAM,
        user=role.person.format(person + 1),
        model=model,
        prompt=role.prompt,
        prompt_version=served.version,
        experiment=served.experiment,
        variant=served.variant,
        status="ok",
        error_code="",
        input_tokens=input_tokens,
        cached_tokens=cached,
        output_tokens=output,
        latency_ms=round(pace.total_s(output) * 1000),
        ttft_ms=round(pace.first_token_s * 1000) if role.stream else None,
        stream=role.stream,
        attempts=1,
        prompt_text=_question(role, dice),
        answer_text=paragraph(min(6, 1 + output // _SENTENCE_TOKENS), dice),
    )
    if model.startswith(FAILING_PROVIDER) and at in story.incident:
        return _during_incident(call, dice)
    if role.agent == "research-assistant" and at in story.budget_gone:
        return _refused(call, "blocked", "budget_exceeded", dice)
    return _usual_fate(call, role, dice)


def _usual_fate(call: SimulatedCall, role: Role, dice: Random) -> SimulatedCall:
    drawn = dice.random()
    if drawn < role.cache_hits:
        took = dice.randint(2, 9)
        ttft = took if call.stream else None
        return replace(call, status="cached", attempts=0, latency_ms=took, ttft_ms=ttft)
    drawn = dice.random()
    if drawn < 0.004:
        return _failed(call, "provider_error", 3, _slower(call, 1.4))
    if drawn < 0.0055:
        return _failed(call, "provider_timeout", 1, _TIMEOUT_MS)
    if drawn < 0.0085:
        return _refused(call, "rate_limited", "rate_limit_exceeded", dice)
    if drawn < 0.02:
        return _retried(call, attempts=2, wait_ms=dice.randint(600, 2600))
    return call


def _during_incident(call: SimulatedCall, dice: Random) -> SimulatedCall:
    drawn = dice.random()
    if drawn < 0.46:
        waited = dice.randint(2400, 9000)
        return _failed(call, "provider_overloaded", 3, waited)
    if drawn < 0.58:
        return _failed(call, "provider_timeout", 1, _TIMEOUT_MS)
    if drawn < 0.82:
        other = replace(call, model=FALLBACKS[call.model])
        return _retried(other, attempts=3, wait_ms=dice.randint(3000, 9000))
    slow = replace(call, latency_ms=_slower(call, dice.uniform(3, 6)))
    return _retried(slow, attempts=2, wait_ms=dice.randint(1500, 6000))


def _retried(call: SimulatedCall, *, attempts: int, wait_ms: int) -> SimulatedCall:
    ttft = None if call.ttft_ms is None else call.ttft_ms + wait_ms
    latency_ms = call.latency_ms + wait_ms
    return replace(call, attempts=attempts, latency_ms=latency_ms, ttft_ms=ttft)


def _failed(
    call: SimulatedCall, code: str, attempts: int, latency_ms: int
) -> SimulatedCall:
    status: Status = "timeout" if code == "provider_timeout" else "error"
    return replace(
        _unanswered(call),
        status=status,
        error_code=code,
        attempts=attempts,
        latency_ms=latency_ms,
    )


def _refused(
    call: SimulatedCall, status: Status, code: str, dice: Random
) -> SimulatedCall:
    return replace(
        _unanswered(call),
        status=status,
        error_code=code,
        attempts=0,
        latency_ms=dice.randint(1, 4),
    )


def _unanswered(call: SimulatedCall) -> SimulatedCall:
    return replace(
        call,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        ttft_ms=None,
        answer_text="",
    )


def _slower(call: SimulatedCall, by: float) -> int:
    return round(call.latency_ms * by)


def _tokens(sizes: Sizes, dice: Random) -> tuple[int, int, int]:
    """Return input, cached and output tokens, lognormal around the medians."""
    input_tokens = _lognormal(sizes.input, sizes.spread, dice)
    output = _lognormal(sizes.output, sizes.spread, dice)
    cached = int(input_tokens * min(0.9, sizes.cached * 2 * dice.random()))
    return input_tokens, cached // _CACHE_BLOCK * _CACHE_BLOCK, output


def _lognormal(median: float, spread: float, dice: Random) -> int:
    return max(1, round(median * math.exp(dice.gauss(0, spread))))


def _weighted(models: tuple[tuple[str, float], ...], dice: Random) -> str:
    drawn = dice.random()
    for name, weight in models:
        drawn -= weight
        if drawn < 0:
            return name
    return models[-1][0]


def _question(role: Role, dice: Random) -> str:
    question = role.questions[int(dice.random() * len(role.questions))]
    return question.format(role.subjects[int(dice.random() * len(role.subjects))])
