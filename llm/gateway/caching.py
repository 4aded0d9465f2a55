"""Whether a call may be answered from the cache, under which key, and by what. Pure.

The key is everything that determines an answer: the whole request as it was expanded,
its format, and the prompt version it came from. Two requests that differ in anything but
in how the answer is sent never share one.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from devora_ops.common.errors import InvalidRequest

DEFAULT_TTL_S = 3600
MOST_TTL_S = 30 * 86_400
# A call beyond it has a fingerprint only where the cache needs its key: of a kilobyte a
# key takes 2 µs to make, of so many 12.
MOST_FINGERPRINTED_BYTES = 16 * 1024
_LONGEST_HEADER = 200
_DIRECTIVE = re.compile(r"(no-cache|no-store|use|max-age=(\d{1,8}))")
# How an answer is sent, not what it says.
_DELIVERY = ("stream", "stream_options")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """on: the cache has a part in this call. look: an old answer will do.

    keep: a new answer may be kept, for ttl_s. max_age_s: how old an answer may be.
    """

    on: bool = False
    look: bool = True
    keep: bool = True
    ttl_s: int = DEFAULT_TTL_S
    max_age_s: float | None = None


OFF = CachePolicy()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says of the cache: a header, or a field beside the model."""

    use: bool | None = None
    look: bool = True
    keep: bool = True
    max_age_s: float | None = None

    def willing(self) -> "Wish":
        """Return the wish for when there is a cached answer or none.

        Who said nothing of the cache takes what it has; who forbade it still does.
        """
        return self if self.use is not None else replace(self, use=True)


def read_wish(header: str | None, body: dict[str, Any]) -> Wish:
    """Take the request's wish out of its header and its body; raises InvalidRequest.

    X-Devora-Cache-Control: `use`, `max-age=SECONDS`, `no-cache` (a fresh answer, which is
    kept where the cache is used), `no-store` (neither). In the body: `use_cache` true or false.
    """
    use = body.pop("use_cache", None)
    if use is not None and not isinstance(use, bool):
        raise InvalidRequest(
            "`use_cache` must be true or false.", code="invalid", param="use_cache"
        )
    if header and len(header) > _LONGEST_HEADER:
        raise _unknown_directive()
    return _wish(header or "", use)


@lru_cache(maxsize=1024)
def _wish(header: str, use: bool | None) -> Wish:
    wish = Wish(use=use, look=use is not False)
    for directive in header.replace(" ", "").lower().split(","):
        wish = _heed(wish, directive) if directive else wish
    return wish


def _heed(wish: Wish, directive: str) -> Wish:
    match = _DIRECTIVE.fullmatch(directive)
    if match is None:
        raise _unknown_directive()
    if directive == "no-cache":
        return Wish(wish.use, look=False, keep=wish.keep, max_age_s=wish.max_age_s)
    if directive == "no-store":
        return Wish(wish.use, look=False, keep=False)
    age = float(match.group(2)) if match.group(2) else wish.max_age_s
    return Wish(use=True, look=wish.look, keep=wish.keep, max_age_s=age)


def _unknown_directive() -> InvalidRequest:
    return InvalidRequest(
        "X-Devora-Cache-Control takes use, max-age=SECONDS, no-cache or no-store.",
        code="invalid",
        param="X-Devora-Cache-Control",
    )


def policy_of(wish: Wish, version: Mapping[str, Any] | None) -> CachePolicy:
    """Return what a request's wish and its prompt version's policy come to.

    The version's word against a cache is final: its author knows whether an answer can
    be given twice. For it, a request can still ask for a fresh one.
    """
    told = None if version is None else version.get("enabled", bool(version) or None)
    on = told if told is not None else bool(wish.use)
    if not on or not (wish.look or wish.keep):
        return OFF
    ttl_s = int((version or {}).get("ttl_s") or DEFAULT_TTL_S)
    return CachePolicy(
        on=True,
        look=wish.look,
        keep=wish.keep,
        ttl_s=min(ttl_s, MOST_TTL_S),
        max_age_s=wish.max_age_s,
    )


def key_of(wire: str, origin: str, body: Mapping[str, Any]) -> str:
    """Return the key of a request as it was expanded.

    wire: the format's name. origin: the prompt version and the generation of its label,
    or empty; old answers die with the label that moved on.
    """
    said = {name: value for name, value in body.items() if name not in _DELIVERY}
    whole = orjson.dumps([wire, origin, said], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(whole).hexdigest()


def fingerprint_of(key: str) -> int:
    """Return a key's first 64 bits, by which the ledger tells who asked for the same.

    Signed, as a column of eight bytes has them. Among ten million calls two keys share
    them by chance once in 370,000 cases.
    """
    return int.from_bytes(bytes.fromhex(key[:16]), signed=True)
