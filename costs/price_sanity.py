"""What makes a price look wrong, in sentences. Pure.

The band of plausible prices is 10^-9 to 10^-3 USD per token ($0.001 to $1,000 per
million). All prices of the shipped table, of 293 models, lie between 4.2 * 10^-9 and
6 * 10^-4. The band is a million wide, no more: so whatever lies inside leaves it when it
is typed per million for per token, or the reverse, whether or not its model is known.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from costs.price_rows import EACH, PER_TOKEN
from costs.pricing import Price, Rates, Schedule, make_price

Amounts = Mapping[str, Decimal | None]

CHEAPEST: Final = Decimal("1e-9")
DEAREST: Final = Decimal("1e-3")
# A search costs 1 to 3.5 cents where it costs at all: $10 is the price of a thousand.
DEAREST_EACH: Final = Decimal(1)
# Nobody charges less for output than for input by more than a fifth; embeddings have none.
OUTPUT_SHARE: Final = Decimal("0.5")
# Providers halve and double; a price that moves by ten is a slip until somebody says so.
FAR: Final = Decimal(10)
# A region costs a tenth more where it costs more at all: 110 is a percentage.
_MULTIPLIERS: Final = (Decimal("0.5"), Decimal(2))
_UNIT_SLIP: Final = (Decimal(100_000), Decimal(10_000_000))


def slips(rates: Amounts, schedule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what no price can be, so that it was typed in another unit.

    rates: USD per token and each. schedule: as `make_price` takes it.
    """
    yield from _outside(rates)
    none = dict.fromkeys((*PER_TOKEN, *EACH))
    price = make_price({"id": 0, "schedule": schedule, **none})
    for name, tier in _tiers(price):
        found = {each: getattr(tier, each) for each in PER_TOKEN}
        for sentence in _outside(found):
            yield f"{name}: {sentence}"
    low, high = _MULTIPLIERS
    for region, factor in price.regions.items():
        if not low <= factor <= high:
            told = _(
                "%(region)s would cost %(factor)s times as much: 1.1 is a tenth more."
            )
            yield told % {"region": region, "factor": factor}


def oddities(rates: Amounts, schedule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is odd about a price by itself; `slips` are among it."""
    yield from slips(rates, schedule)
    yield from _free_of_charge(rates)
    plain_in, plain_out = rates.get("input"), rates.get("output")
    if plain_in and plain_out and plain_out < plain_in * OUTPUT_SHARE:
        yield _("Output costs less than half of input: are the two swapped?")
    read = rates.get("cache_read")
    if plain_in is not None and read is not None and read > plain_in:
        yield _("A cached read costs more than plain input.")


def changes(new: Amounts, old: Amounts) -> Iterator[str]:
    """Yield what is odd about a price beside the one that it supersedes."""
    for name in (*PER_TOKEN, *EACH):
        now, before = new.get(name), old.get(name)
        if now is None and before:
            told = _("%(name)s has a price today and would have none of its own.")
            yield told % {"name": name}
        elif now == 0 and before:
            yield _("%(name)s would be free.") % {"name": name}
        elif now and before:
            yield from _moved(name, now / before)


def _moved(name: str, factor: Decimal) -> Iterator[str]:
    size = max(factor, 1 / factor)
    low, high = _UNIT_SLIP
    if low <= size <= high:
        told = _(
            "%(name)s moves by a factor of about a million: per token and per million "
            "are mixed up."
        )
        yield told % {"name": name}
    elif size >= FAR:
        told = _("%(name)s moves by a factor of %(factor)s.")
        yield told % {"name": name, "factor": f"{size:.0f}"}


def _outside(rates: Amounts) -> Iterator[str]:
    for name in PER_TOKEN:
        rate = rates.get(name)
        if rate and rate > DEAREST:
            told = _(
                "%(name)s is above $1,000 per million tokens, more than any model "
                "costs: was it typed per million, and read per token?"
            )
            yield told % {"name": name}
        elif rate and rate < CHEAPEST:
            told = _(
                "%(name)s is below $0.001 per million tokens, less than any model "
                "costs: was it typed per token, and read per million?"
            )
            yield told % {"name": name}
    for name in EACH:
        if (rates.get(name) or 0) > DEAREST_EACH:
            told = _("%(name)s is above $1: was it the price of a thousand?")
            yield told % {"name": name}


def _free_of_charge(rates: Amounts) -> Iterator[str]:
    plain = {name: rates.get(name) for name in ("input", "output")}
    for name, rate in plain.items():
        if rate is None:
            told = _("%(name)s has no price, so it would cost nothing: 0 says so.")
            yield told % {"name": name}
    if not any(plain.values()) and None not in plain.values():
        yield _("Its tokens would be free.")


def _tiers(price: Price) -> Iterator[tuple[str, Rates]]:
    """Yield each set of rates of a price's schedule, with its name."""
    yield from _above("", price.standard)
    for name, tier in price.service_tiers.items():
        yield name, tier.base
        yield from _above(f"{name} ", tier)


def _above(name: str, schedule: Schedule) -> Iterator[tuple[str, Rates]]:
    for threshold, rates in schedule.tiers:
        yield f"{name}> {threshold}", rates
