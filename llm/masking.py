"""Masking of personal data in stored content: addresses, numbers of cards and accounts."""

import re
from collections.abc import Callable
from typing import Any

import orjson

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_DIGITS = re.compile(r"(?<![\w.])\+?\d(?:[ .-]?\d){8,18}(?!\w|\.\d)", re.ASCII)
_NO_JSON = "[content that is not JSON]"


def each_text(body: bytes, change: Callable[[str], str]) -> bytes:
    """Return a JSON body with every text changed; one that is no JSON loses its content.

    Names stay, or two could become one; but no reader takes a name with NUL in it.
    """
    try:
        return orjson.dumps(_walk(orjson.loads(body), change))
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return orjson.dumps(_NO_JSON)


def mask(text: str) -> str:
    """Replace e-mail addresses, IBANs, card and phone numbers by their kind."""
    text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub("[iban]", text)
    return _DIGITS.sub(_number_kind, text)


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {
            name.replace("\0", "\ufffd"): _walk(child, change)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_walk(child, change) for child in value]
    return value


def _number_kind(match: re.Match[str]) -> str:
    digits = [int(sign) for sign in match.group() if sign.isdigit()]
    if len(digits) >= 13 and _luhn(digits):
        return "[card]"
    return (
        "[phone]"
        if len(digits) <= 15 and _looks_dialled(match.group())
        else match.group()
    )


def _looks_dialled(text: str) -> bool:
    """A phone number begins with + or 0; other long numbers are ids and times."""
    return text.startswith(("+", "0"))


def _luhn(digits: list[int]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 - 9 * (digit > 4)
        total += doubled if place % 2 else digit
    return total % 10 == 0
