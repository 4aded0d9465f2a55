"""OpenRouter: OpenAI's format, and a bill in every usage.

`usage.cost` is what the account is charged. With the customer's own key for a provider
(BYOK) that is a fee, and `cost_details.upstream_inference_cost` goes to the provider;
without, the same field only tells what OpenRouter paid. Usage comes with every answer;
`usage: {include: true}` has no effect any more.
Source: openrouter.ai/docs/use-cases/usage-accounting; answers of 2026 as projects
recorded them, for what `is_byok: false` means.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any, Final

from costs.facts import Anomaly
from llm.providers import openai
from llm.providers.counts import details

# What a usage says that a call cost: None, and why, when it does not say.
Bill = tuple[Decimal | None, Anomaly]

INPUT_INCLUDES_CACHE = True
read_usage = openai.read_usage

# Wide enough that no sum of two amounts is rounded before the ledger rounds it.
_EXACT: Final = Context(prec=200)
_NUMBER: Final = re.compile(rb"\s*:\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_LONGEST_NUMBER: Final = 60
_MOST_PLACES: Final = 8


def read_bill(usage: Any, text: bytes = b"") -> Bill:
    """Return what a customer pays for a call altogether, unrounded.

    text: the JSON that the usage was parsed from; amounts are taken from there digit
    for digit, because a parser that makes floats has lost some.
    """
    if not isinstance(usage, Mapping):
        return None, ""
    told = usage.get("cost")
    if told is None:
        return None, "bill_missing"
    cost = _amount(told, "cost", text)
    if cost is None:
        return None, "bill_invalid"
    name = "upstream_inference_cost"
    upstream = _amount(details(usage, "cost_details").get(name), name, text)
    if not _own_key(usage.get("is_byok"), cost, upstream):
        return cost, ""
    if upstream is None:
        return None, "bill_invalid"  # the fee alone is a small part of it
    return _EXACT.add(cost, upstream), ""


def _own_key(told: Any, cost: Decimal, upstream: Decimal | None) -> bool:
    """Say whether the customer's own key paid the provider.

    Where nobody tells: a fee is a fraction of what went to the provider, and without
    such a key nobody is charged less than that.
    """
    if isinstance(told, bool):
        return told
    return upstream is not None and upstream > cost


def _amount(value: Any, name: str, text: bytes) -> Decimal | None:
    if isinstance(value, float):
        value = _as_written(value, name, text)
    elif type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        return None
    return value


def _as_written(value: float, name: str, text: bytes) -> Decimal:
    """Return a number as its text has it: the last of that name that reads as the same.

    A text that escapes me leaves the shortest decimal that reads as the same float.
    """
    key, end = b'"%s"' % name.encode(), len(text)
    for _ in range(_MOST_PLACES):
        at = text.rfind(key, 0, end)
        found = _NUMBER.match(text, at + len(key)) if at >= 0 else None
        if found and len(found[1]) <= _LONGEST_NUMBER and float(found[1]) == value:
            return Decimal(found[1].decode())
        if at < 0:
            break
        end = at
    return Decimal(repr(value))
