"""Takes secrets out of texts that nobody meant to hold one, such as a log's lines.

The whole value goes: what is left of a secret helps to find the rest.
"""

import re
from collections.abc import Iterable

GONE = "[secret]"

# Shorter ones are words that lines are full of ("postgres"); a URL's are found as such.
_SHORTEST = 10
_SHAPES = (
    r"\bdvo_live_[\w-]+",
    r"\bsk-[\w-]{8,}",
    r"\bxox[a-z]-[\w-]{8,}",
    r"\bAKIA[0-9A-Z]{12,}",
    r"\beyJ[\w-]{8,}\.[\w.-]+",
    r"\bhooks\.slack\.com/services/\S+",
)
_VALUE = r"(?!\s|\[secret\])[^\s\"',;)\]}]+"
_SCHEME = re.compile(rf"\b(bearer|basic)\s+{_VALUE}", re.IGNORECASE)
# As a header, a setting, or a pair of a dict or a tuple; quoted, or to its end.
_IS = r"((?:[\"']?\s*[:=]|[\"']\s*,)\s*)(?:b?'[^']*'|b?\"[^\"]*\"|"
_NAMED = re.compile(
    r"\b((?:proxy-)?authorization|x-api-key|api[_-]?key|passw(?:or)?d|secret(?:_key)?)"
    rf"{_IS}(?:(?:bearer|basic)\s+)?{_VALUE})",
    re.IGNORECASE,
)
_COOKIE = re.compile(rf"\b((?:set-)?cookie){_IS}[^\"'\n]+)", re.IGNORECASE)
_IN_URL = re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://[^\s/:@]*):[^\s/]+@")


class Redactor:
    """Knows secrets by their shape, by the name before them, and some by heart."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        by_heart = {re.escape(each) for each in known if len(each) >= _SHORTEST}
        # Longest first: one that contains another must go whole.
        wanted = (*sorted(by_heart, key=len, reverse=True), *_SHAPES)
        self._wanted = re.compile("|".join(wanted))

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = self._wanted.sub(GONE, text)
        text = _IN_URL.sub(rf"\1:{GONE}@", text)
        text = _NAMED.sub(rf"\1\2{GONE}", text)
        text = _COOKIE.sub(rf"\1\2{GONE}", text)
        return _SCHEME.sub(rf"\1 {GONE}", text)
