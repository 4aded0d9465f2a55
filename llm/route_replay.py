"""Which of a draft's targets would have served attempts that have been. Pure.

The gateway's own rules decide, on what the ledger keeps of an attempt: its agent and
team, and how much went in. Nothing that they look at changes within a cell, so that a
cell is decided once for all of its attempts.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise
from math import ceil, floor
from typing import Any, Final

from costs.facts import Who
from costs.pricing import Price, Rates, Usage
from costs.snapshot import PriceBook
from costs.usage_sums import MOST_TOKENS
from llm.gateway.routing import Asked, odds, unfit
from llm.snapshot import Target

_BYTES_A_TOKEN: Final = 4  # as the gateway reckons from bytes to tokens
_CHAT: Final[Mapping[str, Any]] = {"messages": []}
_EMBEDDING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """A route as it might be: who serves, by which strategy; `fastest` is none here."""

    strategy: str
    targets: Sequence[Target]

    def named(self, condition: str) -> list[str]:
        """Return the agents, or the teams, that conditions tell from others."""
        lists = (target.conditions.get(condition, ()) for target in self.targets)
        return sorted({name for names in lists for name in names})


@dataclass(frozen=True, slots=True)
class Cell:
    """Attempts that rules and prices treat alike. tokens: the fewest that went in.

    at: a moment; prices are the same at that of every attempt.
    """

    team: str
    agent: str
    tokens: int
    embedding: bool
    at: dt.datetime

    def asked(self) -> Asked:
        """Return the request, as far as it is known."""
        who = Who(team=self.team, agent=self.agent)
        body = _EMBEDDING if self.embedding else _CHAT
        return Asked(who, body, self.tokens * _BYTES_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Server:
    """Who would have served a cell, how likely, and at which price."""

    model: str
    probability: Fraction
    price: Price
    rates: Rates


@dataclass(frozen=True, slots=True)
class Prices:
    """The price book of a draft's targets; before a model's first price, that one."""

    book: PriceBook

    def of(self, model: str, at: dt.datetime) -> Price:
        """Return the price in force."""
        return self.book.price(model, at) or self.book.prices[model][0]

    def all(self) -> list[Price]:
        """Return every price there is."""
        return [price for prices in self.book.prices.values() for price in prices]

    def changes(self, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
        """Return the moments between two others at which a price changes."""
        starts = {at for each in self.book.starts.values() for at in each}
        return sorted(at for at in starts if start < at < end)


def servers(draft: Draft, cell: Cell, prices: Prices) -> list[Server]:
    """Return who would have served a cell; nobody may be left.

    A context window counts in tokens here: how many went in is known afterwards.
    """
    asked = cell.asked()
    fit = [
        target
        for target in draft.targets
        if not unfit(target, asked)
        and cell.tokens <= (target.context_window or cell.tokens)
    ]
    if not fit:
        return []
    return [
        _server(target, probability, cell, prices)
        for target, probability in odds(
            draft.strategy, fit, asked, _Market(prices, cell.at)
        )
    ]


def sizes(draft: Draft, prices: Prices, moments: Sequence[dt.datetime]) -> list[int]:
    """Return the numbers of tokens from which on something may be decided otherwise.

    moments: one of each stretch of time in which prices stay the same.
    """
    found = {0, *_thresholds(draft, prices)}
    if draft.strategy == "cheapest":
        steps = sorted(found)
        for at in moments:
            now = [prices.of(target.model, at) for target in draft.targets]
            for low, high in pairwise([*steps, MOST_TOKENS + 1]):
                found |= set(_crossings(now, low, high))
    return sorted(each for each in found if 0 <= each <= MOST_TOKENS)


def _server(
    target: Target, probability: Fraction, cell: Cell, prices: Prices
) -> Server:
    price = prices.of(target.model, cell.at)
    rates = price.standard.rates_for(cell.tokens)
    return Server(target.model, probability, price, rates)


def _thresholds(draft: Draft, prices: Prices) -> Iterator[int]:
    for target in draft.targets:
        yield target.conditions.get("min_input_tokens", 0)
        yield target.conditions.get("max_input_tokens", -2) + 1
        yield (target.context_window or -2) + 1
    for price in prices.all():
        yield from (above + 1 for above, _rates in price.standard.tiers)


def _crossings(prices: Sequence[Price], low: int, high: int) -> Iterator[int]:
    """Yield where one price becomes cheaper than another, within one tier of each."""
    lines = [_line(price, low) for price in prices]
    for (slope, base), (other_slope, other_base) in combinations(lines, 2):
        if slope == other_slope:
            continue
        met = Fraction(other_base - base) / Fraction(slope - other_slope)
        if low <= met < high:
            yield ceil(met)
            yield floor(met) + 1  # where they meet in a whole number, it is its own


def _line(price: Price, tokens: int) -> tuple[Decimal, Decimal]:
    """Return what an input token adds, and what a request costs without any."""
    rates = price.standard.rates_for(tokens)
    output = Asked(Who(), _CHAT, 0).output_tokens
    base = rates.cost(Usage(output=output)) + price.per_request
    return rates.input or Decimal(0), base


@dataclass(frozen=True, slots=True)
class _Market:
    """A market of the past, for the strategy `cheapest`."""

    prices: Prices
    at: dt.datetime

    def usd(self, target: Target, input_tokens: int, output_tokens: int) -> Decimal:
        usage = Usage(input=input_tokens, output=output_tokens)
        return self.prices.of(target.model, self.at).cost(usage)

    def latency_ms(self, target: Target) -> float | None:
        return None
