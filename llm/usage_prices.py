"""What a usage object costs as its provider returned it: the cost engine on its own.

The shipped price table is its price book, so that it runs on a machine that has no
database; nothing is rounded.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

from costs import price_table
from costs.pricing import Price, make_price
from llm.providers import anthropic, openai, openai_responses, openrouter
from llm.providers.counts import ToldUsage

_READERS: Final[Mapping[str, Callable[[Any], ToldUsage]]] = {
    "openai.chat": openai.read_usage,
    "openai.responses": openai_responses.read_usage,
    "openai.embeddings": openai.read_usage,
    "anthropic.messages": anthropic.read_usage,
    "openrouter.chat": openrouter.read_usage,
}


class NotPriced(ValueError):
    """A usage without a cost; its sentence says what is missing."""


def usd_of(
    api: str, model: str, usage: Any, *, service_tier: str = ""
) -> tuple[Decimal, str]:
    """Return the unrounded cost of a usage, and a code for what is odd about it.

    api: `openai.chat`, `openai.responses`, `openai.embeddings`, `anthropic.messages` or
    `openrouter.chat`. model: `provider/name`. usage: its amounts are Decimals or ints.
    Raises NotPriced.
    """
    reader = _READERS.get(api)
    if reader is None:
        raise NotPriced(f"{api!r} is none of {', '.join(_READERS)}")
    odd: str
    if api == "openrouter.chat":
        bill, odd = openrouter.read_bill(usage)
        if bill is not None:
            return bill, odd
    tokens, odd = reader(usage)
    if tokens is None:
        raise NotPriced("its usage has no counts")
    price = _price(model)
    if price is None:
        raise NotPriced(f"{model} is not in the price table")
    tier, region = service_tier, ""
    if api == "anthropic.messages":
        tier = tier or str(usage.get("service_tier") or "")
        region = anthropic.region_of(usage)
    return price.cost(tokens, service_tier=tier, region=region), odd


@cache
def _price(model: str) -> Price | None:
    row = price_table.models().get(model)
    if row is None:
        return None
    return make_price(
        {"id": 0, "per_request": None, **price_table.price_fields(row, model=model)}
    )
