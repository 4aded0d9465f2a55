"""One upstream try: bounded, held for, sent, and settled whatever happens."""

import datetime as dt
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from costs.facts import AttemptFact, State
from costs.ledger import Ledger, Reservation
from costs.pricing import Price, Usage, round_usd
from costs.snapshot import Budgets, PriceBook
from devora_ops.common.errors import BudgetExceeded
from devora_ops.common.ids import uuid7
from llm.gateway.call import Call
from llm.gateway.validation import image_url
from llm.providers import openai
from llm.snapshot import Target
from llm.tokens import count

# The most tokens that a provider makes of one image or file, whatever its bytes.
_IMAGE_TOKENS = 8192


class Attempt:
    """A try of one target, from its hold to its settlement."""

    def __init__(
        self, call: Call, target: Target, *, number: int, default_max_tokens: int
    ) -> None:
        self.id = uuid7()
        self.call = call
        self.target = target
        self.number = number
        self.began = time.perf_counter()
        self.payload = openai.prepare(
            call.body,
            target.upstream,
            model=target.name,
            max_tokens=min(
                default_max_tokens, target.max_output_tokens or default_max_tokens
            ),
        )
        self.data = orjson.dumps(self.payload)
        self.price: Price | None = None
        self.amount = Decimal(0)
        self.counters: tuple[int, ...] = ()
        self.ended = False

    async def hold(self, ledger: Ledger, prices: PriceBook, budgets: Budgets) -> None:
        """Set the worst case aside; raises BudgetExceeded or Unavailable."""
        self.price = prices.price(self.target.model, dt.datetime.now(dt.UTC))
        mine, hard = budgets.matching(self.call.who, self.target.model)
        if self.price is not None:
            self.amount = self.price.worst_case(
                input_bound=self._input_bound(),
                output_bound=self.max_tokens * int(self.payload.get("n") or 1),
                web_searches=int("web_search_options" in self.payload),
                service_tier=str(self.payload.get("service_tier") or ""),
            )
        elif hard:
            raise BudgetExceeded(
                f"`{self.target.model}` has no price, and a hard budget covers it.",
                code="price_unknown",
            )
        self.counters = await ledger.hold(
            Reservation(self.id, self.call.id, self.amount, mine, self._facts())
        )

    @property
    def max_tokens(self) -> int:
        """The bound that the request goes out with."""
        return openai.output_limit(self.payload) or 0

    def headers(self) -> dict[str, str]:
        """Return the headers of the upstream request."""
        return {
            **openai.base_headers(self.target.upstream),
            "X-Devora-Attempt": str(self.id),
        }

    def bill(self, answer: Mapping[str, Any], *, text: str = "") -> None:
        """Settle by the answer's usage, or by an estimate where it has none."""
        raw = answer.get("usage")
        usage = openai.read_usage(raw)
        self.end(
            "settled",
            usage=usage or self.estimate(text),
            raw_usage=raw,
            service_tier=str(answer.get("service_tier") or ""),
            estimated=usage is None,
            http_status=200,
        )

    def estimate(self, text: str) -> Usage:
        """Count what went in and came out, for a provider that does not say."""
        model = self.target.model
        said = "".join(_texts(self.payload.get("messages")))
        return Usage(
            input=count(said, model=model) + 4 * len(self.payload["messages"]),
            output=min(count(text, model=model), self.max_tokens),
        )

    def end(
        self,
        state: State,
        *,
        usage: Usage | None = None,
        raw_usage: Any = None,
        service_tier: str = "",
        estimated: bool = False,
        http_status: int | None = None,
        error_code: str = "",
    ) -> AttemptFact:
        """Turn the try into its fact and add that to the call."""
        usage = usage or Usage()
        self.ended = True
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
            cost_usd=self._cost(state, usage, service_tier),
            estimated=estimated,
            http_status=http_status,
            error_code=error_code.replace("\0", ""),
            ttft_ms=self.call.ttft_ms,
            counters=self.counters,
        )
        self.call.add(fact)
        return fact

    def _cost(self, state: State, usage: Usage, service_tier: str) -> Decimal | None:
        if self.price is None:
            return None
        if state == "unknown":
            return self.amount
        if usage == Usage():
            return Decimal(0)
        return round_usd(self.price.cost(usage, service_tier=service_tier))

    def _input_bound(self) -> int:
        """Bound the input tokens: a token stands for at least one byte of the request.

        Pictures are the exception both ways: their bytes say nothing of their tokens.
        """
        images = [
            len(url)
            for message in self.payload["messages"]
            if isinstance(message.get("content"), list)
            for part in message["content"]
            if (url := image_url(part)) is not None
        ]
        return len(self.data) - sum(images) + len(images) * _IMAGE_TOKENS

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


def _storable(raw_usage: Any) -> dict[str, Any] | None:
    """Keep what the provider said, unless a JSONB column cannot."""
    if not isinstance(raw_usage, dict) or b"\\u0000" in orjson.dumps(raw_usage):
        return None
    return raw_usage


def _texts(messages: Any) -> list[str]:
    found: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content")
        if isinstance(content, str):
            found.append(content)
        elif isinstance(content, list):
            found.extend(str(part.get("text", "")) for part in content)
    return found
