"""What the gateway would have written down of a call in the history."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Final

from costs.facts import AttemptFact, CallFact, Settlement, Who
from costs.models import Price as PriceRow
from costs.pricing import Price, Usage, make_price, round_usd
from costs.snapshot import PriceBook
from devora_ops.common.ids import first_uuid7_at
from devora_ops.simulator.history import SimulatedCall
from devora_ops.simulator.story import FALLBACKS
from llm.gateway.caching import fingerprint_of, key_of

Charge = Callable[[Who, str, dt.datetime, Decimal | None], tuple[int, ...]]
"""(who, model, when it left, cost) → the budget counters that an attempt is charged to."""

_ORIGINALS: Final = {fallback: model for model, fallback in FALLBACKS.items()}
# How much of an answered call's time went into the tries that failed.
_LOST_SHARE: Final = 0.3
# The worst case that is charged when nobody knows what a provider billed, in tokens.
_INPUT_BOUND: Final = 12_000
_OUTPUT_BOUND: Final = 1_500


@dataclass(frozen=True, slots=True)
class Failure:
    """How a try ends, as we say it and as the provider said it."""

    code: str
    http_status: int


# What a provider fails with when the next try helps.
_PASSING: Final[Mapping[str, Failure]] = {
    "anthropic": Failure("provider_overloaded", 529),
    "openai": Failure("provider_error", 500),
    "openrouter": Failure("provider_rate_limited", 429),
}
_LASTING: Final[Mapping[str, Failure]] = {
    "provider_error": Failure("provider_error", 500),
    "provider_overloaded": Failure("provider_overloaded", 529),
    "provider_timeout": Failure("provider_timeout", 504),
}
_OUR_STATUSES: Final[Mapping[str, int]] = {
    "": 200,
    "budget_exceeded": 402,
    "rate_limit_exceeded": 429,
    "provider_error": 502,
    "provider_overloaded": 503,
    "provider_timeout": 504,
}


def charge_nobody(
    who: Who, model: str, left: dt.datetime, cost: Decimal | None
) -> tuple[int, ...]:
    """Charge no budget."""
    return ()


def read_price_book() -> PriceBook:
    """Read the whole price book through Django's connection."""
    starts: defaultdict[str, list[dt.datetime]] = defaultdict(list)
    prices: defaultdict[str, list[Price]] = defaultdict(list)
    for row in PriceRow.objects.order_by("model", "valid_from").values():
        starts[row["model"]].append(row["valid_from"])
        prices[row["model"]].append(make_price(row))
    return PriceBook(dict(starts), dict(prices))


@dataclass(slots=True)  # not frozen: that would take four times as long to make
class _Try:
    """One upstream try before it is priced."""

    call: SimulatedCall
    call_id: uuid.UUID
    who: Who
    number: int
    model: str
    left: dt.datetime
    took_ms: float


class FactMaker:
    """Turns simulated calls into settlements, priced by the price book."""

    def __init__(
        self,
        prices: PriceBook,
        *,
        who: Callable[[SimulatedCall], Who],
        charge: Charge = charge_nobody,
    ) -> None:
        self._prices = prices
        self._who = who
        self._charge = charge
        self._known: dict[tuple[str, str, int, str], Who] = {}
        self._dice = Random()

    def settlement(self, call: SimulatedCall) -> Settlement:
        """Return what a call leaves behind."""
        call_id, who = self._id(call.at), self._known_who(call)
        attempts = tuple(self._attempts(call, call_id, who))
        costs = [a.cost_usd for a in attempts if a.cost_usd is not None]
        cached = call.status == "cached"
        fact = CallFact(
            id=call_id,
            who=who,
            requested=f"prompt:{who.prompt}",
            model=call.model,
            status=call.status,
            http_status=_OUR_STATUSES[call.error_code],
            finished_at=call.at + dt.timedelta(milliseconds=call.latency_ms),
            latency_ms=call.latency_ms,
            error_code=call.error_code,
            stream=call.stream,
            cache="hit" if cached else "miss",
            usage=attempts[-1].usage if attempts else Usage(),
            cost_usd=sum(costs, Decimal(0)) if costs or not attempts else None,
            saved_usd=self._cost(call, usage_of(call)) or Decimal(0)
            if cached
            else Decimal(0),
            estimated=any(attempt.estimated for attempt in attempts),
            ttft_ms=call.ttft_ms,
            attempts=len(attempts),
            request_id=f"{self._dice.getrandbits(128):032x}",
            fingerprint=_fingerprint(call),
        )
        return Settlement(attempts, fact)

    def _attempts(
        self, call: SimulatedCall, call_id: uuid.UUID, who: Who
    ) -> Iterator[AttemptFact]:
        if not call.attempts:
            return
        answered = call.status == "ok"
        failed = call.attempts - answered
        lost_ms = call.latency_ms * (_LOST_SHARE if answered else 1.0)
        each_ms = lost_ms / failed if failed else 0.0
        at, first = call.at, _ORIGINALS.get(call.model, call.model)
        for number in range(1, failed + 1):
            yield self._failed(_Try(call, call_id, who, number, first, at, each_ms))
            at += dt.timedelta(milliseconds=each_ms)
        if answered:
            took_ms = call.latency_ms - each_ms * failed
            last = _Try(call, call_id, who, failed + 1, call.model, at, took_ms)
            yield self._answered(last)

    def _answered(self, tried: _Try) -> AttemptFact:
        usage = usage_of(tried.call)
        fact = self._fact(tried, cost=self._cost(tried.call, usage))
        fact.usage = usage
        fact.raw_usage = raw_usage(tried.call)
        fact.ttft_ms = tried.call.ttft_ms
        return fact

    def _failed(self, tried: _Try) -> AttemptFact:
        provider = tried.model.partition("/")[0]
        failure = _LASTING.get(tried.call.error_code) or _PASSING[provider]
        price = self._prices.price(tried.model, tried.left)
        # Whoever gave up waiting does not know what was billed.
        unknown = failure.code == "provider_timeout"
        cost = None if price is None else Decimal(0)
        if unknown and price is not None:
            cost = price.worst_case(
                input_bound=_INPUT_BOUND, output_bound=_OUTPUT_BOUND
            )
        fact = self._fact(tried, cost=cost)
        fact.state = "unknown" if unknown else "settled"
        fact.estimated = unknown
        fact.error_code = failure.code
        fact.http_status = failure.http_status
        return fact

    def _fact(self, tried: _Try, *, cost: Decimal | None) -> AttemptFact:
        price = self._prices.price(tried.model, tried.left)
        return AttemptFact(
            id=self._id(tried.left),
            call_id=tried.call_id,
            number=tried.number,
            who=tried.who,
            provider=tried.model.partition("/")[0],
            model=tried.model,
            state="settled",
            settled_at=tried.left + dt.timedelta(milliseconds=tried.took_ms),
            latency_ms=tried.took_ms,
            price_id=price.id if price else None,
            cost_usd=cost,
            http_status=200,
            counters=self._charge(tried.who, tried.model, tried.left, cost),
        )

    def _cost(self, call: SimulatedCall, usage: Usage) -> Decimal | None:
        price = self._prices.price(call.model, call.at)
        return None if price is None else round_usd(price.cost(usage))

    def _known_who(self, call: SimulatedCall) -> Who:
        key = (call.agent, call.user, call.prompt_version, call.variant)
        who = self._known.get(key)
        if who is None:
            who = self._known[key] = self._who(call)
        return who

    def _id(self, moment: dt.datetime) -> uuid.UUID:
        """Return a UUIDv7 of a moment, as random as a new one."""
        low, high = self._dice.getrandbits(62), self._dice.getrandbits(12)
        return uuid.UUID(int=first_uuid7_at(moment).int | high << 64 | low)


def _fingerprint(call: SimulatedCall) -> int | None:
    """Return who asked for the same; a call that is refused before has none."""
    if call.status == "rate_limited":
        return None
    return _fingerprint_of(call.prompt, call.prompt_version, call.prompt_text)


@lru_cache(maxsize=4096)
def _fingerprint_of(prompt: str, version: int, text: str) -> int:
    return fingerprint_of(key_of("chat", f"{prompt}@{version}", {"text": text}))


def usage_of(call: SimulatedCall) -> Usage:
    """Return an answered call's tokens, each counted once."""
    return Usage(
        input=call.input_tokens - call.cached_tokens,
        cache_read=call.cached_tokens,
        output=call.output_tokens,
    )


def raw_usage(call: SimulatedCall) -> dict[str, object]:
    """Return an answered call's tokens as its provider reports them."""
    return {
        "prompt_tokens": call.input_tokens,
        "completion_tokens": call.output_tokens,
        "total_tokens": call.input_tokens + call.output_tokens,
        "prompt_tokens_details": {"cached_tokens": call.cached_tokens},
    }
