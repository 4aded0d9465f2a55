"""How much a key and an agent may ask for: per minute, and at once.

Redis counts for all web processes, in one round trip for all the limits of a call; to a
busy process it lends ahead, as long as there is plenty, and is not asked for every call.
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
from llm.gateway.allowances import Account, Allowance
from llm.gateway.local_limits import LocalLimits
from llm.limit import WINDOW_S, Asked, Denial, Kind, Limit, Taken

__all__ = ["Admission", "Limit", "Limiter"]

_PREFIX = "devora:limit:"
_KINDS: tuple[Kind, ...] = ("requests", "tokens", "concurrent")
_LEASES_AT_ONCE = 200
_TIDY_EVERY_S = 1.0


@dataclass(slots=True)
class Admission:
    """Room under the limits of one call, from the question for it until `done`.

    taken: what this process has counted for it, totals what Redis has. sent: the
    question to Redis, unless it is away or need not be asked; sent_at: on the loop's
    clock. account: what its buckets have lent here, None without Redis; lent: what it
    was served from. place: its name among the running calls, where those are limited.
    remaining_requests, remaining_tokens: of the tightest bucket; None without limit.
    """

    limiter: "Limiter" = field(repr=False)
    asked: Asked
    alone: bool
    taken: list[Taken]
    keys: Sequence[str] = ()
    args: Sequence[str | int] = ()
    sent: "asyncio.Future[Any] | None" = None
    sent_at: float = 0.0
    asks_ahead: bool = False
    account: Account | None = None
    lent: Allowance | None = None
    place: str = ""
    totals: Sequence[Taken] | None = None
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
        self._give_back = line.script(limit_scripts.GIVE_BACK)
        self._renew = line.script(limit_scripts.RENEW)
        self._leases: dict[str, Asked] = {}  # by place
        self._accounts: dict[tuple[str, ...], Account] = {}  # by names of buckets
        self._rounds: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to renew the leases of running calls, and to give back what is over."""
        rounds = (self._keep(), self._tidy())
        self._rounds = [asyncio.create_task(each) for each in rounds]

    async def stop(self) -> None:
        """Stop renewing; leases that nobody ended run out."""
        for each in self._rounds:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each
        for account in self._accounts.values():
            self._let_go(account, math.inf)

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
        account = None
        if alone:
            self._check(asked)
        elif buckets:
            account = self._account(asked)
        taken = self._local.take(asked, _second())
        admission = Admission(self, asked, alone, taken, account=account)
        if buckets and self._line.is_up and not self._serve(admission):
            self._send(admission)
        return admission

    def _account(self, asked: Asked) -> Account:
        names = tuple([name for name, _ in asked.buckets])
        account = self._accounts.get(names)
        if account is None:
            account = self._accounts[names] = Account()
        account.buckets = asked.buckets
        account.count(_second(), asked.room)
        return account

    def _serve(self, admission: Admission) -> bool:
        """Admit a call from what has been lent; False when nothing fits."""
        asked, account = admission.asked, admission.account
        if account is None:
            return False
        lent = account.lends(_now(), asked.room, place=asked.needs_place)
        if lent is None:
            return False
        lent.take(asked.room)
        admission.lent, admission.totals = lent, lent.counted
        admission.place = account.idle.pop() if asked.needs_place else ""
        admission.remaining_requests = lent.remaining_requests
        admission.remaining_tokens = lent.remaining_tokens
        admission.state = "granted"
        return True

    def _send(self, admission: Admission) -> None:
        asked, account, ahead = admission.asked, admission.account, (0, 0)
        if account is not None and not account.asking:
            ahead = account.wanted()
            account.asking = admission.asks_ahead = ahead[0] > 0
        args: list[str | int] = [asked.owner, self._lease_ms, *ahead]
        for _, limit in asked.buckets:
            args += _arguments(limit, asked.tokens)
        admission.keys, admission.args = _keys(asked), args
        admission.sent_at = _now()
        admission.sent = self._admit.send(admission.keys, args)

    async def answer(self, admission: Admission) -> None:
        """Take Redis' answer in; raises RateLimited."""
        asked = admission.asked
        try:
            await self._hear(admission)
        except RateLimited:
            if not self._serve(admission):
                admission.state = "over"
                self._local.undo(asked, admission.taken)
                raise
            return
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
            self._read(admission, sent.result())
        except RateLimited:
            self._local.undo(admission.asked, admission.taken)
        except (OSError, asyncio.CancelledError):
            self.end(admission, 0)
        else:
            self._take_in(admission)
            self.end(admission, 0)
        finally:
            self._has_asked(admission)

    def end(self, admission: Admission, tokens_used: int) -> None:
        """Correct the estimate and free the place of a call that is over."""
        asked, totals, account = admission.asked, admission.totals, admission.account
        now, second = _now(), _second()
        settled = self._settled(admission, tokens_used, now)
        place = admission.place
        if place and account is not None and account.keeps(now, place):
            place = ""  # the next call's
        to_tell = self._leases.pop(place, None) is not None
        args: list[str | int] = [place]
        for i, (name, limit) in enumerate(asked.buckets):
            reserved = limit.reserved(asked.tokens)
            used = tokens_used if limit.tokens_per_minute is not None else reserved
            to_tell |= used != reserved and not settled
            self._local.finish(
                asked.owner,
                admission.taken[i],
                name,
                beyond=used - reserved,
                now=second,
            )
            args += (totals[i].second if totals else -1, reserved, used)
        if to_tell:
            if settled:
                args = [place, *(-1, 0, 0) * len(asked.buckets)]
            self._finish.tell(admission.keys or _keys(asked), args)

    def _settled(self, admission: Admission, tokens_used: int, now: float) -> bool:
        """Correct the estimate of a call in what it was served from, while that lasts."""
        lent, account = admission.lent, admission.account
        if lent is None or account is None:
            return False
        if lent is not account.lent or lent.ends_at <= now:
            return False
        return lent.correct(tokens_used - admission.asked.room)

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

    async def _hear(self, admission: Admission) -> None:
        """Take in what Redis has counted, unless it is away. Raises RateLimited."""
        if admission.sent is None:
            return
        try:
            answer = await self._admit.reply(
                admission.sent, admission.keys, admission.args
            )
        except OSError:
            return
        except asyncio.CancelledError:
            # It may be admitted all the same, and nobody would end its lease. What was
            # granted ahead with it is lost for the minute.
            asked = admission.asked
            unknown = (-1, 0, 0) * len(asked.buckets)
            self._finish.tell(_keys(asked), (asked.owner, *unknown))
            raise
        finally:
            self._has_asked(admission)
        self._read(admission, answer)

    def _read(self, admission: Admission, answer: list[Any]) -> None:
        """Take in Redis' answer; raises RateLimited."""
        asked, account = admission.asked, admission.account
        if not answer[0]:
            _, bucket, kind, wait_ms = answer
            name, limit = asked.buckets[bucket - 1]
            raise _refusal(Denial(name, limit, _KINDS[kind - 1], wait_ms / 1000))
        *counted, calls, tokens, places, left_ms = answer[1:]
        totals = [Taken(*counted[i : i + 3]) for i in range(0, len(counted), 3)]
        admission.totals = totals
        if account is None or not admission.asks_ahead:
            return
        ends_at = admission.sent_at + left_ms / 1000
        new = Allowance(ends_at, calls, tokens, places, totals)
        new.remaining_requests, new.remaining_tokens = _remaining(asked, totals)
        if old := account.granted(new):
            self._return(account, old)

    def _has_asked(self, admission: Admission) -> None:
        if admission.asks_ahead and admission.account is not None:
            admission.account.asking = False

    def _return(self, account: Account, lent: Allowance) -> None:
        """Give back what is left of a grant."""
        if lent.calls or lent.tokens:
            keys = [_names(name)[0] for name, _ in account.buckets]
            seconds = [each.second for each in lent.counted]
            self._give_back.tell(keys, (lent.calls, lent.tokens, *seconds))

    def _let_go(self, account: Account, now: float) -> None:
        """Give back what is lent for no longer, and the places that are idle for it."""
        if over := account.over(now):
            self._return(account, over)
        if freed := account.superfluous():
            for place in freed:
                self._leases.pop(place, None)
            for name, limit in account.buckets:
                if limit.concurrent is not None:
                    self._line.tell("ZREM", _names(name)[1], *freed)

    def _take_in(self, admission: Admission) -> None:
        asked, totals, second = admission.asked, admission.totals, _second()
        if asked.needs_place:
            admission.place = asked.owner
            self._leases[asked.owner] = asked
        if totals is not None:
            for (name, _), total in zip(asked.buckets, totals, strict=True):
                self._local.saw(name, total, second)
        admission.remaining_requests, admission.remaining_tokens = _remaining(
            asked, totals or admission.taken
        )

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_EVERY_S)
            for account in self._accounts.values():
                self._let_go(account, _now())
            self._accounts = {
                names: account
                for names, account in self._accounts.items()
                if not account.is_quiet(_second())
            }

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


def _remaining(asked: Asked, counted: Sequence[Taken]) -> tuple[int | None, int | None]:
    """Return the calls and tokens that the tightest buckets have left."""
    requests: int | None = None
    tokens: int | None = None
    for (_, limit), total in zip(asked.buckets, counted, strict=True):
        requests = _least(requests, limit.requests_per_minute, total.requests)
        tokens = _least(tokens, limit.tokens_per_minute, total.tokens)
    return requests, tokens


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
