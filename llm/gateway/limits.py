"""How much a key and an agent may ask for: per minute, and at once.

Redis counts for all web processes, in one round trip for all the limits of a call.
While it is away each process admits its share, and so it does, besides what Redis says,
for the first minute after its return: Redis may have forgotten what was admitted.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

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
    """Room under the limits of one call, from the question for it until `done`.

    taken: what this process has counted for it, totals what Redis has. sent: the
    question to Redis, unless it is away. remaining_requests, remaining_tokens: of the
    tightest bucket; None without limit.
    """

    limiter: "Limiter" = field(repr=False)
    asked: Asked
    alone: bool
    taken: list[Taken]
    keys: Sequence[str] = ()
    args: Sequence[str | int] = ()
    sent: "asyncio.Future[Any] | None" = None
    totals: list[Taken] | None = None
    state: Literal["asked", "granted", "over"] = "asked"
    remaining_requests: int | None = None
    remaining_tokens: int | None = None

    async def granted(self) -> None:
        """Wait for the room; raises RateLimited when there is none."""
        if self.state == "asked":
            await self.limiter.answer(self)

    def done(self, tokens_used: int) -> None:
        """Correct the estimate and free the place; only the first time counts."""
        state, self.state = self.state, "over"
        if state == "granted":
            self.limiter.end(self, tokens_used)
        elif state == "asked":
            self.limiter.withdraw(self)


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
        admission = self.ask(buckets, tokens=tokens, owner=owner)
        await admission.granted()
        return admission

    def ask(
        self, buckets: Sequence[tuple[str, Limit]], *, tokens: int, owner: str
    ) -> Admission:
        """Begin to make room, and go on until it has to be granted.

        Raises RateLimited where Redis need not be asked.
        """
        asked, alone = Asked(buckets, tokens, owner), self._alone()
        if alone:
            self._check(asked)
        admission = Admission(self, asked, alone, self._local.take(asked, _second()))
        if buckets and self._line.is_up:
            args: list[str | int] = [owner, self._lease_ms]
            for _, limit in buckets:
                args += _arguments(limit, tokens)
            admission.keys, admission.args = _keys(asked), args
            admission.sent = self._admit.send(admission.keys, args)
        return admission

    async def answer(self, admission: Admission) -> None:
        """Take Redis' answer in; raises RateLimited."""
        asked = admission.asked
        try:
            admission.totals = await self._totals(admission)
        except BaseException:
            admission.state = "over"
            self._local.undo(asked, admission.taken)
            raise
        if admission.totals is None and not admission.alone:
            # Redis went away just now: count this call anew, under our share.
            self._local.undo(asked, admission.taken)
            admission.state = "over"
            self._check(asked)
            admission.taken = self._local.take(asked, _second())
        admission.state = "granted"
        self._take_in(admission)

    def withdraw(self, admission: Admission) -> None:
        """End a call that was over before anybody waited for its room.

        It counts as one that used nothing, once Redis has said what it counted.
        """
        if admission.sent is None:
            self.end(admission, 0)
        else:
            admission.sent.add_done_callback(partial(self._end_late, admission))

    def _end_late(self, admission: Admission, sent: "asyncio.Future[Any]") -> None:
        try:
            admission.totals = _read(sent.result(), admission.asked)
        except RateLimited:
            self._local.undo(admission.asked, admission.taken)
        except (OSError, asyncio.CancelledError):
            self.end(admission, 0)
        else:
            self._take_in(admission)
            self.end(admission, 0)

    def end(self, admission: Admission, tokens_used: int) -> None:
        """Correct the estimate and free the place of a call that is over."""
        asked, totals = admission.asked, admission.totals
        args: list[str | int] = [asked.owner]
        second = _second()
        to_tell = self._leases.pop(asked.owner, None) is not None
        for i, (name, limit) in enumerate(asked.buckets):
            reserved = limit.reserved(asked.tokens)
            used = tokens_used if limit.tokens_per_minute is not None else reserved
            to_tell |= used != reserved
            self._local.finish(
                asked.owner,
                admission.taken[i],
                name,
                beyond=used - reserved,
                now=second,
            )
            args += (totals[i].second if totals else -1, reserved, used)
        if to_tell:
            self._finish.tell(admission.keys or _keys(asked), args)

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

    async def _totals(self, admission: Admission) -> list[Taken] | None:
        """Return what Redis has counted; None when it is away. Raises RateLimited."""
        if admission.sent is None:
            return None
        try:
            answer = await self._admit.reply(
                admission.sent, admission.keys, admission.args
            )
        except OSError:
            return None
        except asyncio.CancelledError:
            # It may be admitted all the same, and nobody would end its lease.
            self._give_back(admission.asked)
            raise
        return _read(answer, admission.asked)

    def _give_back(self, asked: Asked) -> None:
        unknown = (-1, 0, 0) * len(asked.buckets)
        self._finish.tell(_keys(asked), (asked.owner, *unknown))

    def _take_in(self, admission: Admission) -> None:
        asked, totals, second = admission.asked, admission.totals, _second()
        counted = totals or admission.taken
        for (name, limit), total in zip(asked.buckets, counted, strict=True):
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
    return f"{_PREFIX}{bucket}:minute", f"{_PREFIX}{bucket}:leases"


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
