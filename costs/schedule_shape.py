"""Whether a schedule says what it seems to say, before it is written. Pure.

The gateway reads a schedule leniently, for one row must not take others along; whoever
writes one is told of a misspelt rate, which would cost nothing of its own, and of a
threshold that no input has.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from costs.pricing import Price, Rates, ScheduleInvalid, make_price

# The shipped table has it; no usage tells such writes from others, so nothing is billed.
_PASSED_OVER: Final = ("cache_write_12h",)
_PRICES: Final = frozenset((*Rates.__slots__, *_PASSED_OVER))
_TIER: Final = frozenset({"above_input_tokens", "prices"})
_SERVICE: Final = frozenset({"prices", "tiers"})
_MOST_TOKENS: Final = 20_000_000
_NO_RATES: Final = dict.fromkeys((*Rates.__slots__, "web_search", "per_request"))


def check_schedule(schedule: Any) -> Price:
    """Return a price of nothing but this schedule. Raises ScheduleInvalid."""
    price = make_price({"id": 0, "schedule": schedule, **_NO_RATES})
    _check_tiers(schedule)
    for service in schedule.get("service_tiers", {}).values():
        _only(service, _SERVICE)
        _only(service["prices"], _PRICES)
        _check_tiers(service)
    for factor in price.regions.values():
        if not factor:
            raise ScheduleInvalid("a multiplier of 0 would make calls free")
    return price


def _check_tiers(row: Mapping[str, Any]) -> None:
    thresholds = list(_thresholds(row))
    if len(set(thresholds)) < len(thresholds):
        raise ScheduleInvalid("two tiers begin above the same number of tokens")


def _thresholds(row: Mapping[str, Any]) -> Iterator[int]:
    for tier in row.get("tiers", ()):
        _only(tier, _TIER)
        _only(tier["prices"], _PRICES)
        above = tier["above_input_tokens"]
        if type(above) is not int or not 0 <= above <= _MOST_TOKENS:
            raise ScheduleInvalid(f"{above} is no number of tokens")
        yield above


def _only(row: Mapping[str, Any], names: frozenset[str]) -> None:
    if unknown := sorted(row.keys() - names):
        raise ScheduleInvalid(f"{unknown[0][:50]} is not known here")
