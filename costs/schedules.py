"""What a price's tiers may hold: the gateway reads them for every model at once."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_DEAREST: Final = Decimal(1_000_000)
_MOST = 100


class BadSchedule(ValueError):
    """Why a schedule means nothing."""


def check_schedule(schedule: Any) -> None:
    """Refuse what the price book could not be built of; raises BadSchedule."""
    given = _object(schedule, "tiers", "service_tiers", "geo_multiplier")
    _check_tiers(given.get("tiers", []))
    for tier in _object(given.get("service_tiers", {})).values():
        named = _object(tier, "prices", "tiers")
        _check_rates(named.get("prices"))
        _check_tiers(named.get("tiers", []))
    for factor in _object(given.get("geo_multiplier", {})).values():
        _check_number(factor)


def _check_tiers(tiers: Any) -> None:
    if not isinstance(tiers, list) or len(tiers) > _MOST:
        raise BadSchedule("tiers is a list.")
    for tier in tiers:
        given = _object(tier, "above_input_tokens", "prices")
        above = given.get("above_input_tokens")
        if type(above) is not int or above < 0:
            raise BadSchedule("above_input_tokens is a whole number.")
        _check_rates(given.get("prices"))


def _check_rates(prices: Any) -> None:
    # The shipped table names more rates than there are yet; they are left alone.
    for rate in _object(prices).values():
        if rate is not None:
            _check_number(rate)


def _check_number(value: Any) -> None:
    try:
        # A float says 0.1 and means something else.
        number = Decimal(value) if type(value) in (int, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= _DEAREST:
        raise BadSchedule('Write rates and factors as "0.0000025".')


def _object(given: Any, *keys: str) -> Mapping[str, Any]:
    if not isinstance(given, dict) or len(given) > _MOST:
        raise BadSchedule("An object is needed.")
    if keys and (unknown := given.keys() - set(keys)):
        raise BadSchedule(f"Unknown key: {min(unknown)[:40]}.")
    return given
