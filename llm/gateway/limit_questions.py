"""What Redis is asked about the limits of a call, and what its answers mean."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from devora_ops.common.errors import RateLimited
from llm.limit import Asked, Denial, Kind, Taken

_PREFIX = "devora:limit:"
_KINDS: tuple[Kind, ...] = ("requests", "tokens", "concurrent")
_WORDS: dict[Kind, str] = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "concurrent": "concurrent requests",
}


class Granted(NamedTuple):
    """What Redis has counted in each bucket, and what it grants ahead.

    places: how many may be kept idle. left_ms: until the second is over.
    """

    counted: Sequence[Taken]
    calls: int
    tokens: int
    places: int
    left_ms: int


@lru_cache(maxsize=10_000)
def names(bucket: str) -> tuple[str, str]:
    """Return what Redis calls a bucket's window and its leases."""
    return f"{_PREFIX}{bucket}:minute", f"{_PREFIX}{bucket}:leases"


def keys(asked: Asked) -> list[str]:
    """Return the windows and leases of a call's buckets."""
    return [name for bucket, _ in asked.buckets for name in names(bucket)]


def arguments(
    asked: Asked, lease_ms: int, ahead: tuple[int, int]
) -> Sequence[str | int]:
    """Return what limit_scripts.ADMIT is told. ahead: calls and tokens to grant."""
    args: list[str | int] = [asked.place, lease_ms, *ahead]
    for _, limit in asked.buckets:
        args += _most(limit.requests_per_minute), _most(limit.tokens_per_minute)
        args += _most(limit.concurrent), limit.reserved(asked.tokens)
    return args


def read(asked: Asked, answer: Sequence[Any]) -> Granted:
    """Return what limit_scripts.ADMIT granted; raises RateLimited."""
    if not answer[0]:
        _, bucket, kind, wait_ms = answer
        name, limit = asked.buckets[bucket - 1]
        raise refusal(Denial(name, limit, _KINDS[kind - 1], wait_ms / 1000))
    *counted, calls, tokens, places, left_ms = answer[1:]
    taken = [Taken(*counted[i : i + 3]) for i in range(0, len(counted), 3)]
    return Granted(taken, calls, tokens, places, left_ms)


def remaining(asked: Asked, counted: Sequence[Taken]) -> tuple[int | None, int | None]:
    """Return the calls and tokens that the tightest buckets have left."""
    requests: int | None = None
    tokens: int | None = None
    for (_, limit), taken in zip(asked.buckets, counted, strict=True):
        requests = _least(requests, limit.requests_per_minute, taken.requests)
        tokens = _least(tokens, limit.tokens_per_minute, taken.tokens)
    return requests, tokens


def refusal(denial: Denial) -> RateLimited:
    """Return what a refused caller is told."""
    most = denial.limit.most(denial.kind)
    seconds = max(1, math.ceil(denial.retry_after_s))
    return RateLimited(
        f"The limit of {most} {_WORDS[denial.kind]} of `{denial.bucket}` is reached; "
        f"ask again in {seconds} s.",
        retry_after_s=denial.retry_after_s,
        extra={"limit": denial.kind, "limit_value": most, "bucket": denial.bucket},
    )


def _most(limit: int | None) -> int:
    return -1 if limit is None else limit


def _least(least: int | None, most: int | None, used: int) -> int | None:
    if most is None:
        return least
    left = most - used if used < most else 0
    return left if least is None or left < least else least
