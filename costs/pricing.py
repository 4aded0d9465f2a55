"""What an attempt costs: a normalised Usage and a Price in, exact dollars out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any

NINE_PLACES = Decimal("0.000000001")
_ZERO = Decimal(0)
_MOST = Decimal(1_000_000)  # of a rate in USD: beyond it a cost has no nine places
_INPUT_KINDS = (
    "cache_write_1h",
    "cache_write_5m",
    "input_audio",
    "input",
    "cache_read",
)
_OUTPUT_KINDS = ("output", "output_audio")


# Not frozen, although nobody changes one: see `costs.facts`.
@dataclass(slots=True)
class Usage:
    """Tokens of one attempt, each counted once: `input` is what no cache touched.

    `output` includes `reasoning`, and audio counts are parts that `input` and `output`
    do not include. whole_input: all tokens that went in, by which context tiers are
    chosen; whole_output: all that came out.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    output: int = 0
    output_audio: int = 0
    reasoning: int = 0
    web_searches: int = 0
    whole_input: int = field(init=False, compare=False)
    whole_output: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Sum once what bills, limits, facts and rollups ask for."""
        self.whole_input = (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
        )
        self.whole_output = self.output + self.output_audio

    def within(self, most_input: int, most_output: int) -> "Usage":
        """Return the usage cut to what can be true; itself when it can be.

        The dearest kinds are kept first, so that a cut never makes it too cheap.
        """
        if self.whole_input <= most_input and self.whole_output <= most_output:
            return self
        left, cut = most_input, {}
        for name in _INPUT_KINDS:
            cut[name] = min(getattr(self, name), left)
            left -= cut[name]
        output = min(self.output, most_output)
        audio = min(self.output_audio, most_output - output)
        reasoning = min(self.reasoning, output)
        return replace(
            self, **cut, output=output, output_audio=audio, reasoning=reasoning
        )

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but text, and no cache had a part in it."""
        return not (
            self.cache_read
            or self.cache_write_5m
            or self.cache_write_1h
            or self.input_audio
            or self.output_audio
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token; None where the provider publishes no price of its own."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        """Sum exactly; what has no price of its own costs what plain tokens do."""
        plain_in, plain_out = self.input or _ZERO, self.output or _ZERO
        cost = usage.input * plain_in + usage.output * plain_out
        if usage.is_plain:
            return cost
        write_5m = _first(self.cache_write_5m, plain_in)
        return (
            cost
            + usage.cache_read * _first(self.cache_read, plain_in)
            + usage.cache_write_5m * write_5m
            + usage.cache_write_1h * _first(self.cache_write_1h, write_5m)
            + usage.input_audio * _first(self.input_audio, plain_in)
            + usage.output_audio * _first(self.output_audio, plain_out)
        )

    @property
    def dearest_input(self) -> Decimal:
        """The most that one input token can come to."""
        return max(
            rate or _ZERO
            for rate in (
                self.input,
                self.cache_read,
                self.cache_write_5m,
                self.cache_write_1h,
                self.input_audio,
            )
        )

    @property
    def dearest_output(self) -> Decimal:
        """The most that one output token can come to."""
        return max(self.output or _ZERO, self.output_audio or _ZERO)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rates, and the rates that replace them for the whole request above a threshold."""

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()

    def rates_for(self, whole_input: int) -> Rates:
        """Choose by the whole input; a tier starts strictly above its threshold."""
        chosen = self.base
        for above, rates in self.tiers:
            if whole_input > above:
                chosen = rates
        return chosen

    def reachable(self, input_bound: int) -> tuple[Rates, ...]:
        """All rates that an input of at most this size can meet."""
        tiers = (rates for above, rates in self.tiers if input_bound > above)
        return (self.base, *tiers)


@dataclass(frozen=True, slots=True)
class Price:
    """A row of the price book, ready to be applied; id is the row's."""

    id: int
    standard: Schedule
    service_tiers: Mapping[str, Schedule] = field(default_factory=dict)
    regions: Mapping[str, Decimal] = field(default_factory=dict)
    web_search: Decimal = _ZERO
    per_request: Decimal = _ZERO
    _known: dict[tuple[str, int], tuple[Decimal, Decimal]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def cost(
        self, usage: Usage, *, service_tier: str = "", region: str = ""
    ) -> Decimal:
        """Return the unrounded cost in USD of one attempt."""
        schedule = self.service_tiers.get(service_tier, self.standard)
        tokens = schedule.rates_for(usage.whole_input).cost(usage)
        if region in self.regions:
            tokens *= self.regions[region]
        if usage.web_searches:
            tokens += usage.web_searches * self.web_search
        return tokens + self.per_request

    def worst_case(
        self,
        *,
        input_bound: int,
        output_bound: int,
        web_searches: int = 0,
        service_tier: str = "",
    ) -> Decimal:
        """Return a cost that no outcome of the request can exceed, in nine places.

        input_bound: tokens, at least as many as can go in; output_bound: `max_tokens`
        times `n`. The provider may serve in the standard tier instead of a named one, and
        in any tier when the request says `auto`.
        """
        dearest_in, dearest_out = self._dearest(service_tier, input_bound)
        tokens = input_bound * dearest_in + output_bound * dearest_out
        fees = web_searches * self.web_search + self.per_request
        return (tokens + fees).quantize(NINE_PLACES, rounding=ROUND_CEILING)

    def output_within(
        self,
        room: Decimal,
        *,
        input_bound: int,
        web_searches: int = 0,
        service_tier: str = "",
    ) -> int | None:
        """Return the most output tokens whose worst case fits into an amount.

        Negative when not even the input does; None when output costs nothing.
        """
        dearest_in, dearest_out = self._dearest(service_tier, input_bound)
        fees = web_searches * self.web_search + self.per_request
        left = room - input_bound * dearest_in - fees
        if left < 0:
            return -1
        return int(left // dearest_out) if dearest_out else None

    def _dearest(self, service_tier: str, input_bound: int) -> tuple[Decimal, Decimal]:
        """Return the most that an input and an output token can come to, per token.

        Every call asks; there are as many answers as tiers and thresholds.
        """
        if service_tier != "auto" and service_tier not in self.service_tiers:
            service_tier = ""
        reached = sum(
            input_bound > above
            for schedule in (self.standard, *self.service_tiers.values())
            for above, _ in schedule.tiers
        )
        found = self._known.get((service_tier, reached))
        if found is None:
            found = self._find_dearest(service_tier, input_bound)
            self._known[service_tier, reached] = found
        return found

    def _find_dearest(
        self, service_tier: str, input_bound: int
    ) -> tuple[Decimal, Decimal]:
        rates = [
            each
            for schedule in self._possible(service_tier)
            for each in schedule.reachable(input_bound)
        ]
        region = max(self.regions.values(), default=Decimal(1))
        factor = max(region, Decimal(1))
        return (
            factor * max(each.dearest_input for each in rates),
            factor * max(each.dearest_output for each in rates),
        )

    def _possible(self, service_tier: str) -> list[Schedule]:
        named = self.service_tiers.get(service_tier)
        if service_tier == "auto":
            return [self.standard, *self.service_tiers.values()]
        # A provider may serve standard instead of the tier that was asked for.
        return [self.standard] if named is None else [self.standard, named]


def round_usd(amount: Decimal) -> Decimal:
    """Round once, half to even, to the ledger's nine places."""
    return amount.quantize(NINE_PLACES, rounding=ROUND_HALF_EVEN)


class ScheduleInvalid(ValueError):
    """A price's schedule has not the shape of one, or an amount that is none."""


def make_price(row: Mapping[str, Any]) -> Price:
    """Build a Price from a row of the price book (its columns by name).

    Raises ScheduleInvalid, whose sentence says what is wrong.
    """
    try:
        return _make_price(row, row["schedule"])
    except KeyError as error:
        raise ScheduleInvalid(f"{error.args[0]} is missing") from error
    except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, ScheduleInvalid):
            raise
        raise ScheduleInvalid("it has not the shape of a schedule") from error


def _make_price(row: Mapping[str, Any], extra: Mapping[str, Any]) -> Price:
    unknown = sorted(extra.keys() - {"tiers", "service_tiers", "geo_multiplier"})
    if unknown:
        raise ScheduleInvalid(f"{unknown[0]} is not known here")
    base = _rates(row)
    return Price(
        id=row["id"],
        standard=_schedule(base, extra),
        service_tiers={
            name: _schedule(_rates(tier["prices"], base), tier)
            for name, tier in extra.get("service_tiers", {}).items()
        },
        regions={
            region: _amount(factor)
            for region, factor in extra.get("geo_multiplier", {}).items()
        },
        web_search=row["web_search"] or _ZERO,
        per_request=row["per_request"] or _ZERO,
    )


def _schedule(base: Rates, row: Mapping[str, Any]) -> Schedule:
    tiers = [
        (int(tier["above_input_tokens"]), _rates(tier["prices"], base))
        for tier in row.get("tiers", ())
    ]
    return Schedule(base, tuple(sorted(tiers, key=lambda tier: tier[0])))


def _rates(prices: Mapping[str, Any], base: Rates | None = None) -> Rates:
    """Read the prices of a row or of a tier.

    base: what a tier replaces. It stays where a tier has no plain price of a side
    (input, output): nothing is for nothing because nobody published its price.
    """
    rates = {
        name: _amount(prices[name])
        for name in Rates.__slots__
        if prices.get(name) is not None
    }
    for plain, side in (("input", _INPUT_KINDS), ("output", _OUTPUT_KINDS)):
        if base is not None and plain not in rates:
            rates = {name: getattr(base, name) for name in side} | rates
    return Rates(**rates)


def _amount(value: Any) -> Decimal:
    # The float that a JSON number became is not what was written; its shortest text is.
    amount = Decimal(repr(value) if isinstance(value, float) else value)
    if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= _MOST:
        raise ScheduleInvalid(f"{str(value)[:50]} is no amount")
    return amount


def _first(rate: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if rate is None else rate
