"""Masking of personal data in stored content: addresses, numbers of cards and accounts."""

import re

_EMAIL = re.compile(rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}")
_IBAN = re.compile(rb"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_DIGITS = re.compile(rb"(?<![\w.])\+?\d(?:[ .-]?\d){8,18}(?!\w|\.\d)")


def mask(body: bytes) -> bytes:
    """Replace e-mail addresses, IBANs, card and phone numbers by their kind."""
    body = _EMAIL.sub(b"[email]", body)
    body = _IBAN.sub(b"[iban]", body)
    return _DIGITS.sub(_number_kind, body)


def _number_kind(match: re.Match[bytes]) -> bytes:
    digits = bytes(byte for byte in match.group() if 48 <= byte <= 57)
    if len(digits) >= 13 and _luhn(digits):
        return b"[card]"
    return (
        b"[phone]"
        if len(digits) <= 15 and _looks_dialled(match.group())
        else match.group()
    )


def _looks_dialled(text: bytes) -> bool:
    """A phone number begins with + or 0; other long numbers are ids and times."""
    return text.startswith((b"+", b"0"))


def _luhn(digits: bytes) -> bool:
    total = 0
    for place, byte in enumerate(reversed(digits)):
        digit = byte - 48
        if place % 2:
            digit = digit * 2 - 9 * (digit > 4)
        total += digit
    return total % 10 == 0
