"""How much a key and an agent may ask for: per minute, and at once.

Redis counts for all web processes, in one round trip for all the limits of a call.
While it is away each process admits its share, and so it does, besides what Redis says,
for the first minute after its return: Redis may have forgotten what was admitted.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from devora_ops.common.errors import RateLimited
from devora_ops.common.redis_line import RedisLine
from llm.gateway import limit_scripts
from llm.gateway.local_limits import LocalLimits
from llm.limit import WINDOW_S, Asked, Denial, Kind, Limit, Taken

__all__ = ["Admission", "Limit", "Limiter"]

_PREFIX = "devora:limit:"
_KINDS: tuple[Kind, ...] = ("requests", "tokens", "concurrent")
_LEASES_AT_ONCE = 200


@dataclass(slots=True)
class Admission:
    """Room under the limits of one call, until `done`.

    remaining_requests, remaining_tokens: of the tightest bucket; None without limit.
    """

    remaining_requests: int | None = None
    remaining_tokens: int | None = None
    finish: Callable[[int], None] | None = field(default=None, repr=False)

    def done(self, tokens_used: int) -> None:
        """Correct the estimate and free the place; only the first time counts."""
        finish, self.finish = self.finish, None
        if finish is not None:
            finish(tokens_used)


class Limiter:
    """Admits the calls of one process out of several that share a Redis.

    lease_s: how long a running call's place outlives a process that died.
    """

    def __init__(
        self, line: RedisLine, *, processes: int = 1, lease_s: float = 60.0
    ) -> None:
        self._line = line
        self._lease_s = lease_s
        self._lease_ms = int(lease_s * 1000)
        self._local = LocalLimits(processes)
        self._admit = line.script(limit_scripts.ADMIT)
        self._finish = line.script(limit_scripts.FINISH)
        self._renew = line.script(limit_scripts.RENEW)
        self._leases: dict[str, Asked] = {}  # by owner
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew the leases of running calls."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop renewing; leases that nobody ended run out."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    async def admit(
        self, buckets: Sequence[tuple[str, Limit]], *, tokens: int, owner: str
    ) -> Admission:
        """Make room in all the buckets or in none; raises RateLimited.

        buckets: names such as `key:abc` with their limits, of which each has some.
        tokens: an estimate, which `Admission.done` corrects. owner: the call's id. A
        call dearer than a minute's tokens needs an empty minute.
        """
        if not buckets:
            return Admission()
        asked = Asked(buckets, tokens, owner)
        alone = self._alone()
        if alone:
            self._check(asked)
        taken = self._local.take(asked, _second())
        try:
            totals = await self._ask(asked)
        except BaseException:
            self._local.undo(asked, taken)
            raise
        if totals is None and not alone:
            # Redis went away just now: count this call anew, under our share.
            self._local.undo(asked, taken)
            self._check(asked)
            taken = self._local.take(asked, _second())
        return self._admitted(asked, taken, totals)

    def _alone(self) -> bool:
        """Whether our own share has to hold, as Redis does not know everything."""
        returned_at = self._line.returned_at
        return not self._line.is_up or (
            returned_at is not None and _now() - returned_at <= WINDOW_S + 1
        )

    def _check(self, asked: Asked) -> None:
        denial = self._local.check(asked, _second())
        if denial is not None:
            raise _refusal(denial)

    async def _ask(self, asked: Asked) -> list[Taken] | None:
        """Return what Redis has counted; None when it is away. Raises RateLimited."""
        if not self._line.is_up:
            return None
        args: list[str | int] = [asked.owner, self._lease_ms]
        for _, limit in asked.buckets:
            args += _arguments(limit, asked.tokens)
        try:
            answer = await self._admit.run(_keys(asked), args)
        except OSError:
            return None
        except asyncio.CancelledError:
            # It may be admitted all the same, and nobody would end its lease.
            self._give_back(asked)
            raise
        return _read(answer, asked)

    def _give_back(self, asked: Asked) -> None:
        unknown = (-1, 0, 0) * len(asked.buckets)
        self._finish.tell(_keys(asked), (asked.owner, *unknown))

    def _admitted(
        self, asked: Asked, taken: list[Taken], totals: list[Taken] | None
    ) -> Admission:
        second, admission = _second(), Admission()
        for (name, limit), total in zip(asked.buckets, totals or taken, strict=True):
            if limit.concurrent is not None:
                self._leases[asked.owner] = asked
            if totals is not None:
                self._local.saw(name, total, second)
            admission.remaining_requests = _least(
                admission.remaining_requests, limit.requests_per_minute, total.requests
            )
            admission.remaining_tokens = _least(
                admission.remaining_tokens, limit.tokens_per_minute, total.tokens
            )
        admission.finish = partial(self._end, asked, taken, totals)
        return admission

    def _end(
        self,
        asked: Asked,
        taken: list[Taken],
        totals: list[Taken] | None,
        tokens_used: int,
    ) -> None:
        args: list[str | int] = [asked.owner]
        second = _second()
        to_tell = self._leases.pop(asked.owner, None) is not None
        for i, (name, limit) in enumerate(asked.buckets):
            reserved = limit.reserved(asked.tokens)
            used = tokens_used if limit.tokens_per_minute is not None else reserved
            to_tell |= used != reserved
            self._local.finish(
                asked.owner, taken[i], name, beyond=used - reserved, now=second
            )
            args += (totals[i].second if totals else -1, reserved, used)
        if to_tell:
            self._finish.tell(_keys(asked), args)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            self._local.sweep(_second())
            leases = [
                (_names(name)[1], asked.owner)
                for asked in self._leases.values()
                for name, limit in asked.buckets
                if limit.concurrent is not None
            ]
            for i in range(0, len(leases), _LEASES_AT_ONCE):
                keys, owners = zip(*leases[i : i + _LEASES_AT_ONCE], strict=True)
                self._renew.tell(keys, (self._lease_ms, *owners))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _second() -> int:
    return int(time.monotonic())


@lru_cache(maxsize=10_000)
def _names(bucket: str) -> tuple[str, str]:
    """Return what Redis calls a bucket's window and its leases."""
    return f"{_PREFIX}{bucket}:window", f"{_PREFIX}{bucket}:leases"


def _keys(asked: Asked) -> list[str]:
    return [name for bucket, _ in asked.buckets for name in _names(bucket)]


def _arguments(limit: Limit, tokens: int) -> tuple[int, int, int, int]:
    requests, most, concurrent = (
        limit.requests_per_minute,
        limit.tokens_per_minute,
        limit.concurrent,
    )
    return (
        -1 if requests is None else requests,
        -1 if most is None else most,
        -1 if concurrent is None else concurrent,
        limit.reserved(tokens),
    )


def _read(answer: list[Any], asked: Asked) -> list[Taken]:
    if not answer[0]:
        _, bucket, kind, wait_ms = answer
        name, limit = asked.buckets[bucket - 1]
        raise _refusal(Denial(name, limit, _KINDS[kind - 1], wait_ms / 1000))
    return [Taken(*answer[i : i + 3]) for i in range(1, len(answer), 3)]


def _least(least: int | None, most: int | None, used: int) -> int | None:
    if most is None:
        return least
    left = most - used if used < most else 0
    return left if least is None or left < least else least


_WORDS: dict[Kind, str] = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "concurrent": "concurrent requests",
}


def _refusal(denial: Denial) -> RateLimited:
    most = denial.limit.most(denial.kind)
    seconds = max(1, math.ceil(denial.retry_after_s))
    return RateLimited(
        f"The limit of {most} {_WORDS[denial.kind]} of `{denial.bucket}` is reached; "
        f"ask again in {seconds} s.",
        retry_after_s=denial.retry_after_s,
        extra={"limit": denial.kind, "limit_value": most, "bucket": denial.bucket},
    )
