"""One upstream try: bounded, held for, sent, and settled whatever happens."""

import datetime as dt
import logging
import time
from dataclasses import replace
from decimal import Decimal
from math import ceil
from typing import Any

import orjson

from costs.facts import Anomaly, AttemptFact, State
from costs.ledger import Ledger
from costs.pricing import Price, Usage, round_usd
from costs.reserving import Reservation
from costs.snapshot import Budgets, PriceBook
from devora_ops.common.errors import BudgetExceeded
from devora_ops.common.ids import uuid7
from llm.gateway.bills import charge, most_charged
from llm.gateway.bounds import (
    input_bound,
    most_believed,
    most_believed_searches,
    web_searches_bound,
)
from llm.gateway.call import Call, usd
from llm.gateway.codecs import Codec
from llm.providers.openrouter import Bill
from llm.snapshot import Target
from llm.tokens import at_most

log = logging.getLogger("[LLM]")

_MOST_USAGE_BYTES = 16 * 1024
_NOTHING = Usage()
# Until a provider sees that nobody listens (our turn to hang up, the way, its turn): the
# second that is promised, for on a busy machine half of it is not enough.
_SPEAKS_ON_S = 1.0
# What is taken for said of a stream that has hardly begun, in so short a time.
_FIRST_WORDS, _FIRST_WORDS_S = 16, 0.1


class Attempt:
    """A try of one target, from its hold to its settlement.

    bounds: the most tokens that can go in and come out. Raises InvalidRequest when the target's provider cannot do what is asked.
    """

    def __init__(
        self, call: Call, target: Target, codec: Codec, *, default_max_tokens: int
    ) -> None:
        self.id = uuid7()
        self.call = call
        self.target = target
        self.codec = codec
        self.number = call.tried + 1
        self.began = time.perf_counter()
        self.payload = codec.prepare(
            call.body,
            target,
            default_max_tokens=min(
                default_max_tokens, target.max_output_tokens or default_max_tokens
            ),
        )
        self.data = orjson.dumps(self.payload)
        self.price: Price | None = None
        self.amount = Decimal(0)
        self.counters: tuple[int, ...] = ()
        self.bounds = (
            input_bound(self.payload, len(self.data), window=target.context_window),
            codec.output_bound(self.payload),
        )
        self.sent = False
        self.ended = False

    async def hold(self, ledger: Ledger, prices: PriceBook, budgets: Budgets) -> None:
        """Set the worst case aside; raises BudgetExceeded or Unavailable."""
        self.price = prices.price(self.target.model, dt.datetime.now(dt.UTC))
        mine, hard = budgets.matching(self.call.who, self.target.model)
        if self.price is not None:
            most_in, most_out = self.bounds
            self.amount = self.price.worst_case(
                input_bound=most_in,
                output_bound=most_out,
                web_searches=web_searches_bound(self.payload),
                service_tier=self.codec.tier_asked(self.payload),
            )
        elif hard:
            raise BudgetExceeded(
                f"`{self.target.model}` has no price, and a hard budget covers it.",
                code="price_unknown",
            )
        reservation = Reservation(
            self.id, self.call.id, self.amount, mine, self._facts()
        )
        try:
            self.counters = await ledger.hold(reservation)
        except BudgetExceeded as error:
            budget = budgets.name(error.extra["budget"])
            # A limit may be lowered below what is spent: then nothing is left.
            left = max(Decimal(error.extra["left_usd"]), Decimal(0))
            fits = self._largest_max_tokens(left)
            raise BudgetExceeded(
                f"The budget “{budget}” has ${usd(left)} left; this "
                f"request could cost ${usd(self.amount)}.{_advice(fits)}",
                extra={
                    **error.extra,
                    "left_usd": usd(left),
                    "name": budget,
                    "could_cost_usd": usd(self.amount),
                    "largest_max_tokens": fits,
                },
            ) from error

    def _largest_max_tokens(self, room: Decimal) -> int | None:
        """Return the limit with which the request would fit, 0 if there is none.

        None where no limit can help, because nothing that comes out costs anything.
        """
        most_in, most_out = self.bounds
        if self.price is None or not most_out:
            return None
        output = self.price.output_within(
            room,
            input_bound=most_in,
            web_searches=web_searches_bound(self.payload),
            service_tier=self.codec.tier_asked(self.payload),
        )
        choices = int(self.payload.get("n") or 1)
        return None if output is None else max(0, output // choices)

    def leaves(self) -> None:
        """Take note that the first byte is about to leave."""
        self.sent = True

    def headers(self) -> dict[str, str]:
        """Return the headers of the upstream request."""
        return {
            **self.codec.headers(self.target.upstream),
            "X-Devora-Attempt": str(self.id),
        }

    def bill(
        self,
        raw: Any,
        *,
        text: str,
        source: bytes = b"",
        service_tier: str = "",
        searches: int = 0,
        http_status: int | None = 200,
        error_code: str = "",
        whole: bool = True,
    ) -> None:
        """Settle by the usage that the provider told, or by an estimate without one.

        Usage beyond what the request allows cannot be true: it is cut to that, and
        flagged, so that no answer can overrun a hard budget. Of a stream that is not
        whole, the usage tells what went in, and what came out only so far. source: the
        JSON that the usage was parsed from. searches: on the web, beside the usage.
        """
        told, anomaly = self.codec.read_usage(raw)
        usage = (
            self.estimate(text, whole=whole) if told is None else self._believed(told)
        )
        if told not in (None, usage):
            anomaly = "usage_above_bounds"
            log.warning("usage beyond its bounds", extra={"attempts": [str(self.id)]})
        if not whole and told is not None:
            said = self.estimate(text, whole=False).output
            usage = replace(usage, output=max(usage.output, said))
        estimated = usage is not told
        searched = max(searches, "web_search_options" in self.payload)
        if searched and not usage.web_searches:
            most = most_believed_searches(self.payload)
            usage = replace(usage, web_searches=min(searched, most))
        self.end(
            "settled",
            usage=usage,
            raw_usage=raw,
            bill=self.codec.read_bill(raw, source),
            service_tier=service_tier,
            estimated=estimated,
            http_status=http_status,
            error_code=error_code,
            anomaly=anomaly,
        )

    def _believed(self, told: Usage) -> Usage:
        most_in, most_out = self.bounds
        believed = told.within(most_believed(most_in), most_out)
        most_searches = most_believed_searches(self.payload)
        if believed.web_searches <= most_searches:
            return believed
        return replace(believed, web_searches=most_searches)

    def estimate(self, text: str, *, whole: bool = True) -> Usage:
        """Bound from experience what went in and came out, where nobody says.

        More than was billed is better than less: the flag says that it is a guess.
        """
        said = at_most(text, model=self.target.model)
        if not whole:
            said += self._said_unheard(said)
        most_in, most_out = self.bounds
        prompt = orjson.dumps(self.payload.get("tools") or "").decode()
        prompt += self.codec.prompt_text(self.payload)
        return Usage(
            input=min(at_most(prompt, model=self.target.model), most_in),
            output=min(said, most_out),
        )

    def _said_unheard(self, said: int) -> int:
        """Bound what a provider says until it sees that we have gone: as fast as before."""
        begun_ms = self.call.ttft_ms
        spoke_s = (self.call.elapsed_ms() - begun_ms) / 1000 if begun_ms else 0.0
        pace = max(said, _FIRST_WORDS) / (spoke_s + _FIRST_WORDS_S)
        return ceil(pace * _SPEAKS_ON_S)

    def end(
        self,
        state: State,
        *,
        usage: Usage | None = None,
        raw_usage: Any = None,
        bill: Bill | None = None,
        service_tier: str = "",
        estimated: bool = False,
        http_status: int | None = None,
        error_code: str = "",
        anomaly: Anomaly = "",
    ) -> AttemptFact:
        """Turn the try into its fact and add that to the call."""
        usage = usage or Usage()
        self.ended = True
        cost, book = self._cost(state, usage, service_tier, raw_usage), None
        if bill is not None:
            charged = charge(bill, book=cost, most=self._most_charged())
            cost, book = charged.cost_usd, charged.book_usd
            estimated = estimated or charged.estimated
            anomaly = _graver(charged.anomaly, anomaly)
        fact = AttemptFact(
            id=self.id,
            call_id=self.call.id,
            number=self.number,
            who=self.call.who,
            provider=self.target.upstream.slug,
            model=self.target.model,
            state=state,
            settled_at=dt.datetime.now(dt.UTC),
            latency_ms=(time.perf_counter() - self.began) * 1000,
            usage=usage,
            raw_usage=_storable(raw_usage),
            price_id=self.price.id if self.price else None,
            cost_usd=cost,
            estimated=estimated,
            http_status=http_status,
            error_code=error_code.replace("\0", ""),
            ttft_ms=self.call.ttft_ms,
            route=self.call.route,
            probability=self.call.probability if self.number == 1 else None,
            counters=self.counters,
            anomaly=anomaly,
            book_usd=book,
        )
        self.call.add(fact)
        return fact

    def _cost(
        self, state: State, usage: Usage, service_tier: str, raw_usage: Any
    ) -> Decimal | None:
        if self.price is None:
            return None
        if state == "unknown":
            return self.amount
        if usage == _NOTHING:
            return Decimal(0)
        region = self.codec.region_of(raw_usage)
        cost = self.price.cost(usage, service_tier=service_tier, region=region)
        return round_usd(cost)

    def _most_charged(self) -> Decimal:
        return most_charged(self.amount if self.price else None, sum(self.bounds))

    def _facts(self) -> bytes:
        return orjson.dumps(
            {
                "who": self.call.who,
                "requested": self.call.requested,
                "request_id": self.call.request_id,
                "provider": self.target.upstream.slug,
                "model": self.target.model,
                "number": self.number,
                "priced": self.price is not None,
            }
        )


def _advice(largest_max_tokens: int | None) -> str:
    if largest_max_tokens is None:
        return ""
    if not largest_max_tokens:
        return " Its input alone does not fit."
    return f" It would fit with `max_tokens` of {largest_max_tokens} at most."


def _graver(of_bill: Anomaly, of_usage: Anomaly) -> Anomaly:
    """Choose one: an odd usage explains why our price differs, and no other."""
    if of_bill == "bill_differs":
        return of_usage or of_bill
    return of_bill or of_usage


def _storable(raw_usage: Any) -> dict[str, Any] | None:
    """Keep what the provider said, unless a JSONB column cannot."""
    try:
        written = orjson.dumps(raw_usage)
    except TypeError:  # nested deeper than anybody writes
        return None
    if not isinstance(raw_usage, dict) or b"\\u0000" in written:
        return None
    return raw_usage if len(written) <= _MOST_USAGE_BYTES else None
