"""Numbers as people read them, in their language: money, counts, times, changes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.numbers import format_decimal
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

Number = int | float | Decimal
Direction = Literal["up", "down", "flat"]
Tone = Literal["good", "bad", "caution", "neutral"]
# What a rise means: the success rate's is welcome, spend's is no error but worth a look.
Welcome = Literal["up", "down", "neutral"]

NARROW_SPACE = "\u202f"
NO_VALUE = "–"
_LOW_VOLUME = 30
_MOST_PERCENT = 999


def locale() -> str:
    """Return the locale that numbers follow: that of the page's language."""
    return (get_language() or "en").replace("-", "_")


def decimal(value: Number, *, places: int = 0) -> str:
    """Return a number with its thousands apart and so many places."""
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(value, format=pattern, locale=locale())


def money(value: Decimal | None, *, tile: bool = False) -> str:
    """Return US dollars; cents are left out of a tile from a hundred on.

    Never $0.00 for what cost something: below a dollar there are four digits that
    count, three on a tile.
    """
    if value is None:
        return NO_VALUE
    size = abs(value)
    if not size or 1 <= size < 100 or (size >= 100 and not tile):
        return _dollars(decimal(value, places=2))
    if size >= 100:
        return _dollars(decimal(value))
    return _dollars(_significant(value, digits=3 if tile else 4))


def exact_money(value: Decimal | None) -> str:
    """Return US dollars to the last digit that counts: what a bill must show."""
    if value is None:
        return NO_VALUE
    exponent = int(value.normalize().as_tuple().exponent)
    return _dollars(decimal(value, places=max(2, -exponent)))


def per_million(rate: Decimal | None) -> str:
    """Return the price of a million tokens, of which each costs so much."""
    return exact_money(None if rate is None else rate * 1_000_000)


def _significant(value: Decimal, *, digits: int) -> str:
    leading = -value.adjusted() - 1
    rounded = round(value, leading + digits)
    whole, _point, places = f"{rounded.normalize():f}".partition(".")
    return decimal(rounded, places=max(2, len(places)) if whole else 2)


def _dollars(number: str) -> str:
    if locale().startswith("fr"):
        return f"{number}{NARROW_SPACE}$"
    return f"-${number[1:]}" if number.startswith("-") else f"${number}"


def count(value: int) -> str:
    """Return a whole number."""
    return decimal(value)


def compact(value: Number) -> str:
    """Return a large number in thousands, millions or billions: 61.2 M."""
    for unit, letter in ((10**9, _("G")), (10**6, _("M")), (10**4, _("k"))):
        if value >= unit:
            divisor = 1000 if unit == 10**4 else unit
            scaled = Decimal(value) / divisor
            places = 0 if scaled >= 100 else 1
            return f"{decimal(scaled, places=places)}{NARROW_SPACE}{letter}"
    return decimal(value)


def latency(milliseconds: float | None) -> str:
    """Return a duration: milliseconds below a second, seconds from there on."""
    if milliseconds is None:
        return NO_VALUE
    if milliseconds < 999.5:
        return f"{decimal(milliseconds)}{NARROW_SPACE}ms"
    seconds = milliseconds / 1000
    places = 2 if seconds < 10 else 1 if seconds < 100 else 0
    return f"{decimal(seconds, places=places)}{NARROW_SPACE}s"


def percent(ratio: float | None, *, places: int = 1) -> str:
    """Return a share; 1 is 100 %. A share short of everything never reads 100 %."""
    if ratio is None:
        return NO_VALUE
    hundredths = Decimal(str(ratio)) * 100
    if hundredths < 100:
        hundredths = min(hundredths, 100 - Decimal(10) ** -places)
    if not round(hundredths, places):
        hundredths = Decimal(0)  # and not -0.0
    space = NARROW_SPACE if locale().startswith("fr") else ""
    return f"{decimal(hundredths, places=places)}{space}%"


def signed_percent(hundredths: Decimal) -> str:
    """Return a change: 5 is +5.0 %."""
    sign = "+" if hundredths >= 0 else "-"
    space = NARROW_SPACE if locale().startswith("fr") else ""
    return f"{sign}{decimal(abs(hundredths), places=1)}{space}%"


@dataclass(frozen=True, slots=True)
class Delta:
    """How a value changed; text is for the eye, words for a screen reader."""

    direction: Direction
    tone: Tone
    text: str
    words: str
    low_volume: bool = False


def delta(
    now: float | Decimal | None,
    before: float | Decimal | None,
    *,
    previous: str,
    welcome: Welcome,
    calls: int,
) -> Delta | None:
    """Compare with the previous period; None where there is nothing to compare.

    previous: that period's name in a sentence. calls: how many both numbers rest on.
    """
    if now is None or before is None or (not now and not before):
        return None
    low = calls < _LOW_VOLUME
    if not before:
        words = _("new: nothing in %(previous)s") % {"previous": previous}
        return Delta("up", "neutral", _("new"), words, low)
    change = float(now) / float(before) - 1
    direction = _direction(change)
    text = _amount(change)
    return Delta(
        direction, _tone(direction, welcome), text, _words(change, previous), low
    )


def _direction(change: float) -> Direction:
    if abs(change) < 0.0005:
        return "flat"
    return "up" if change > 0 else "down"


def _tone(direction: Direction, welcome: Welcome) -> Tone:
    if direction == "flat" or welcome == "neutral":
        return "neutral"
    if direction == welcome:
        return "good"
    return "caution" if welcome == "down" else "bad"


def _amount(change: float) -> str:
    size = abs(change)
    if size * 100 > _MOST_PERCENT:
        return f"×{decimal(size + 1)}"
    return percent(size, places=1 if size < 0.1 else 0)


def _words(change: float, previous: str) -> str:
    values = {"amount": _amount(change), "previous": previous}
    match _direction(change):
        case "flat":
            return _("the same as in %(previous)s") % values
        case "up":
            return _("up %(amount)s on %(previous)s") % values
        case "down":
            return _("down %(amount)s on %(previous)s") % values


def calls_text(number: int) -> str:
    """Return `1,204 calls`."""
    return ngettext("%(n)s call", "%(n)s calls", number) % {"n": count(number)}
