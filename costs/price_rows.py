"""A proposed price: the cells of one row of a file, read or refused. Pure.

Cells are texts (CSV) or JSON values. Tokens are priced per token or per million, as the
row or the whole file says; searches and requests are priced each, and a schedule is
always per token, as in the price table.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from costs.pricing import Rates, ScheduleInvalid
from costs.schedule_shape import check_schedule
from devora_ops.common.strict_json import StrictJSONError, loads
from devora_ops.common.text import TextRefused, clean_name

MODEL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*/[\x21-\x7e]+")
PER_TOKEN: Final = Rates.__slots__
EACH: Final = ("web_search", "per_request")
RATES: Final = (*PER_TOKEN, *EACH)
COLUMNS: Final = ("model", "valid_from", "unit", *RATES, "schedule", "source")
UNITS: Final[Mapping[str, Decimal]] = {
    "per_token": Decimal(1),
    "per_million": Decimal(1_000_000),
}

_MOST_NAME = 300
_MOST_SCHEDULE = 20_000
_DEAREST = Decimal(1_000_000)
# What the book's columns hold; a price below a quintillionth of a dollar is noise.
_PLACES = Decimal(1).scaleb(-18)
# Plain digits only: 1e-6 and 1,000 are where a factor of a thousand gets lost.
_PLAIN = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,30})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProposedPrice:
    """One row of a file. rates: USD per token and each, None where the cell is empty.

    line: of the file; in JSON, the number of the row. valid_from: None for "from the
    moment it is imported". problems: sentences; what they are about has no value here.
    """

    line: int
    model: str
    rates: Mapping[str, Decimal | None] = field(default_factory=dict)
    valid_from: dt.datetime | None = None
    schedule: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    problems: tuple[str, ...] = ()


class _Refused(ValueError):
    """A cell that cannot be taken; its text says why."""


def read_row(
    line: int, cells: Mapping[str, Any], *, unit: str, source: str
) -> ProposedPrice:
    """Read a row. unit and source: of the file, for rows that name none of their own."""
    problems: list[str] = []

    def take(read: Callable[..., Any], otherwise: Any, *given: Any) -> Any:
        try:
            return read(*given)
        except _Refused as refusal:
            problems.append(str(refusal))
            return otherwise

    divisor = take(_divisor, Decimal(1), cells.get("unit") or unit)
    rates = {
        name: take(
            _rate, None, name, cells.get(name), divisor if name in PER_TOKEN else 1
        )
        for name in RATES
    }
    model = take(_model, str(cells.get("model") or "")[:100], cells.get("model"))
    valid_from = take(_moment, None, cells.get("valid_from"))
    schedule = take(_schedule, {}, cells.get("schedule"))
    named = take(_source, "", cells.get("source") or source)
    if not problems and all(rate is None for rate in rates.values()):
        problems.append(_("Enter a rate; 0 for what is free."))
    return ProposedPrice(
        line, model, rates, valid_from, schedule, named, tuple(problems)
    )


def _divisor(unit: Any) -> Decimal:
    if not unit:
        raise _Refused(_("Say the unit: per_million or per_token."))
    if not isinstance(unit, str) or unit not in UNITS:
        raise _Refused(_("The unit is per_million or per_token."))
    return UNITS[unit]


def _rate(name: str, value: Any, divisor: Decimal | int) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, float):
        value = format(Decimal(repr(value)), "f")
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    if not plain or not _PLAIN.fullmatch(str(value)):
        told = _(
            "%(name)s: write a plain number such as 0.25, without signs or spaces."
        )
        raise _Refused(told % {"name": name})
    amount = Decimal(str(value))
    if amount < 0:
        raise _Refused(_("%(name)s: a price is not below zero.") % {"name": name})
    if amount > _DEAREST:
        raise _Refused(_("%(name)s: that is more than any price.") % {"name": name})
    rate = (amount / divisor).quantize(_PLACES)
    if amount and not rate:  # which nobody said is for nothing
        told = _("%(name)s: that is less than any price.")
        raise _Refused(told % {"name": name})
    return rate


def _model(value: Any) -> str:
    named = isinstance(value, str) and len(value) <= _MOST_NAME
    if not named or not MODEL_NAME.fullmatch(value):
        raise _Refused(_("Write the model as provider/name."))
    return str(value)


def _moment(value: Any) -> dt.datetime | None:
    if value is None or value == "":
        return None
    told = _(
        "valid_from: write a day as 2026-11-01, or a moment with its offset from UTC."
    )
    if not isinstance(value, str) or not value.isascii() or "-" not in value:
        raise _Refused(told)
    try:
        moment = dt.datetime.fromisoformat(value)
        if _DAY.fullmatch(value):
            moment = moment.replace(tzinfo=dt.UTC)
        if moment.tzinfo is None:
            raise _Refused(told)
        moment = moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise _Refused(told) from None
    if not 2000 <= moment.year < 2200:
        raise _Refused(_("valid_from: that is too far from today."))
    return moment


def _schedule(value: Any) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = loads(value.encode(), max_bytes=_MOST_SCHEDULE)
        except (StrictJSONError, UnicodeEncodeError) as error:
            reason = getattr(error, "code", "surrogate")
            told = _("schedule: that is no valid JSON (%(code)s).")
            raise _Refused(told % {"code": reason}) from None
    try:
        check_schedule(value)
    except ScheduleInvalid as error:
        told = _("schedule: %(reason)s.")
        raise _Refused(told % {"reason": error}) from None
    return dict(value)


def _source(value: Any) -> str:
    try:
        return clean_name(value if isinstance(value, str) else "", max_length=200)
    except TextRefused as refusal:
        told = _("source: %(reason)s")
        raise _Refused(told % {"reason": refusal.message}) from None
