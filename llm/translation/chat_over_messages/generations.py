"""What Anthropic's model generations accept, read from a model's name.

Source: platform.claude.com, "Adaptive thinking", "Effort" and the migration guides.
"""

import re

_ADAPTIVE = (4, 6)
_NO_SAMPLING = (4, 7)
# Families that began later than the numbers in their names tell.
_LATE_FAMILIES = ("mythos", "fable")
# A date such as 20251001 is no version.
_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")


def thinks_adaptively(model: str) -> bool:
    """Say whether a model takes an effort; earlier ones take a budget of tokens."""
    return _is_at_least(model, _ADAPTIVE)


def samples(model: str) -> bool:
    """Say whether a model takes temperature and top_p; later ones refuse them."""
    return not _is_at_least(model, _NO_SAMPLING)


def knows_extra_high_effort(model: str) -> bool:
    """Say whether there is an effort between high and max."""
    return _is_at_least(model, _NO_SAMPLING)


def _is_at_least(model: str, version: tuple[int, int]) -> bool:
    """Compare a Claude model's version; other makers' models are as the early ones."""
    _, claude, rest = model.lower().partition("claude")
    if any(family in rest for family in _LATE_FAMILIES):
        return True
    numbers = [int(number) for number in _NUMBER.findall(rest)]
    major, minor = [*numbers, 0, 0][:2]
    return bool(claude) and (major, minor) >= version
