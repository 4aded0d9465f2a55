"""Why one period cost more or less than another: their difference, term by term. Pure.

What was spent falls into parts that do not overlap: tries beyond a call's first and
failed ones (`retries`), the first answers to calls of experiments (`experiments`), those
of embedding models (`embeddings`), what repricing has added since (`repricing`), and the
first answers to all other calls. All but the last differ by what they cost. The last is split further, model by model: such a cost is

    volume × share × answers to be paid per call × (tokens × price per token + fee)

and one factor after the other is taken from the period before to the one after, in the
order of the fields of `_Factors`; a term is what its step changes. The order is that of
the questions: what would the same usage cost at the new prices, then how much more is
asked for, then of whom, and only then how each answer has changed:

price          the usage of before at the new effective unit prices
volume         calls answered, by a model or by our cache
model_mix      which models were asked: the whole cost of a model that is new or gone
input_length   tokens that went in with an answer
output_length  tokens that came out with it
cache          calls that our cache answered, and input read from or written to the
               provider's

An effective unit price is that of the price book, times what was billed over what the
book says of the plain tokens: so the price also moves with what is no token count (web
searches, tiers, regions, audio, a provider's own bills). Where the book has no price,
all tokens count the same; where no token was counted, an answer has its price. Attempts
without a cost cost nothing here as everywhere, so a price that becomes known is a price
that rises. What one period cannot tell (prices of a model that it did not use) is taken
from the other. Costs in between are rounded to nine places and both ends are the true
ones, so the terms sum to the difference exactly and nothing is left over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeVar

from costs.pricing import Rates

_NANO: Final = 10**9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a model answered in a period.

    answers: first tries that were answered; the tokens and the cost are theirs, and
    input_tokens are all that went in; without an answer there is neither. hits: calls
    that our cache answered in its name.
    rates, per_request: the price book's, by which the tokens are weighed.
    """

    answers: int = 0
    hits: int = 0
    input_tokens: int = 0
    read_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    rates: Rates = field(default_factory=Rates)
    per_request: Decimal = Decimal(0)

    @property
    def calls(self) -> int:
        """Calls that it was asked for."""
        return self.answers + self.hits

    @property
    def whole_input(self) -> int:
        """All tokens that went in; no part of them is larger than the whole."""
        return max(self.input_tokens, self.read_tokens + self.written_tokens)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a period cost, in parts that do not overlap. models: what remains of them."""

    models: Mapping[str, ModelUse] = field(default_factory=dict)
    retries_usd: Decimal = Decimal(0)
    experiments_usd: Decimal = Decimal(0)
    embeddings_usd: Decimal = Decimal(0)
    repricing_usd: Decimal = Decimal(0)

    @property
    def total_usd(self) -> Decimal:
        """Everything that the period cost."""
        apart = (
            self.retries_usd
            + self.experiments_usd
            + self.embeddings_usd
            + self.repricing_usd
        )
        return sum((use.cost_usd for use in self.models.values()), apart)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a difference; the name is one of TERMS."""

    name: str
    amount_usd: Decimal

    @property
    def sentence(self) -> str:
        """The key of what to say of it: the name, then _up, _down or _same."""
        way = "up" if self.amount_usd > 0 else "down" if self.amount_usd else "same"
        return f"{self.name}_{way}"


@dataclass(frozen=True, slots=True)
class _Prices:
    """USD for one token of each kind, and for an answer."""

    plain: Fraction
    read: Fraction
    written: Fraction
    output: Fraction
    answer: Fraction


@dataclass(frozen=True, slots=True)
class _Cache:
    """Answers per call, and the shares of input that a provider's cache had part in."""

    missed: Fraction
    read: Fraction
    written: Fraction


@dataclass(frozen=True, slots=True)
class _Factors:
    """What multiplies to a model's cost; the fields stand in the order of their terms."""

    price: _Prices
    volume: int
    model_mix: Fraction
    input_length: Fraction
    output_length: Fraction
    cache: _Cache

    def cost(self) -> Decimal:
        """Return the cost, rounded half to even to nine places."""
        prices, cache = self.price, self.cache
        plain = 1 - cache.read - cache.written
        a_token = (
            plain * prices.plain
            + cache.read * prices.read
            + cache.written * prices.written
        )
        an_answer = (
            self.input_length * a_token
            + self.output_length * prices.output
            + prices.answer
        )
        exact = self.volume * self.model_mix * cache.missed * an_answer
        return Decimal(round(exact * _NANO)).scaleb(-9)


_SPLIT: Final = tuple(f.name for f in fields(_Factors))
TERMS: Final = (*_SPLIT, "retries", "experiments", "embeddings", "repricing")


def explain(before: Bill, after: Bill) -> tuple[Term, ...]:
    """Return what the difference of two bills is made of, in the order of TERMS.

    The amounts sum to `after.total_usd - before.total_usd`, to the last digit.
    """
    changes = dict.fromkeys(TERMS, Decimal(0))
    pairs = [
        (before.models.get(model, _NOTHING), after.models.get(model, _NOTHING))
        for model in sorted(before.models.keys() | after.models.keys())
    ]
    # What only our cache answers costs nothing, and is no part of the volume.
    paid = [uses for uses in pairs if any(use.answers for use in uses)]
    volumes = (sum(use.calls for use, _ in paid), sum(use.calls for _, use in paid))
    for uses in paid:
        for name, amount in _split(*uses, volumes).items():
            changes[name] += amount
    changes["retries"] = after.retries_usd - before.retries_usd
    changes["experiments"] = after.experiments_usd - before.experiments_usd
    changes["embeddings"] = after.embeddings_usd - before.embeddings_usd
    changes["repricing"] = after.repricing_usd - before.repricing_usd
    return tuple(Term(name, amount) for name, amount in changes.items())


_NOTHING: Final = ModelUse()


def _split(
    before: ModelUse, after: ModelUse, volumes: tuple[int, int]
) -> dict[str, Decimal]:
    """Return a model's terms: what each factor changes, one after the other."""
    factors, aims = _factors(before, after, volumes)
    costs = [before.cost_usd]
    for name in _SPLIT:
        factors = replace(factors, **{name: getattr(aims, name)})
        costs.append(factors.cost())
    costs[-1] = after.cost_usd
    return {
        name: now - then
        for name, then, now in zip(_SPLIT, costs, costs[1:], strict=False)
    }


def _factors(
    before: ModelUse, after: ModelUse, volumes: tuple[int, int]
) -> tuple[_Factors, _Factors]:
    """Return the factors of both periods."""
    uses = (before, after)
    columns = (
        _known(*map(_prices, uses)),
        volumes,
        _known(*(_per(u.calls, all_) for u, all_ in zip(uses, volumes, strict=True))),
        _known(*(_per(use.whole_input, use.answers) for use in uses)),
        _known(*(_per(use.output_tokens, use.answers) for use in uses)),
        _caches(*uses),
    )
    first, second = (_Factors(*row) for row in zip(*columns, strict=True))
    return first, second


def _known(before: T | None, after: T | None) -> tuple[T, T]:
    """Return both, one for the other where a period cannot tell."""
    found = before if after is None else after
    assert found is not None
    return (found if before is None else before), found


def _per(count: int, whole: int) -> Fraction | None:
    return Fraction(count, whole) if whole else None


def _caches(before: ModelUse, after: ModelUse) -> tuple[_Cache, _Cache]:
    uses = (before, after)
    columns = (
        _known(*(_per(use.answers, use.calls) for use in uses)),
        _share(*(_per(use.read_tokens, use.whole_input) for use in uses)),
        _share(*(_per(use.written_tokens, use.whole_input) for use in uses)),
    )
    first, second = (_Cache(*row) for row in zip(*columns, strict=True))
    return first, second


def _share(
    before: Fraction | None, after: Fraction | None
) -> tuple[Fraction, Fraction]:
    """Return the shares of an input; of none there is no share."""
    if before is None and after is None:
        return Fraction(0), Fraction(0)
    return _known(before, after)


def _prices(use: ModelUse) -> _Prices | None:
    """Return the prices at which a model's answers cost what they did."""
    if not use.answers:
        return None
    book = _book(use)
    plain = use.whole_input - use.read_tokens - use.written_tokens
    by_book = (
        plain * book.plain
        + use.read_tokens * book.read
        + use.written_tokens * book.written
        + use.output_tokens * book.output
        + use.answers * book.answer
    )
    cost, nothing = Fraction(use.cost_usd), Fraction(0)
    if by_book <= 0:
        return _Prices(nothing, nothing, nothing, nothing, cost / use.answers)
    factor = cost / by_book
    return _Prices(*(getattr(book, f.name) * factor for f in fields(_Prices)))


def _book(use: ModelUse) -> _Prices:
    """Return what the price book says, as `Rates.cost` reads it."""
    rates, answer = use.rates, Fraction(use.per_request)
    if rates == Rates() and not answer:
        one = Fraction(1)
        return _Prices(one, one, one, one, answer)
    plain = Fraction(rates.input or 0)
    return _Prices(
        plain,
        plain if rates.cache_read is None else Fraction(rates.cache_read),
        plain if rates.cache_write_5m is None else Fraction(rates.cache_write_5m),
        Fraction(rates.output or 0),
        answer,
    )
