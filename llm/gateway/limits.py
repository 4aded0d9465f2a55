"""How much a key and an agent may ask for: per minute, and at once.

Redis counts for all web processes, in one round trip for all the limits of a call; to a
busy process it lends ahead, as long as there is plenty, and is not asked for every call.
While it is away each process admits its share, and so it does, besides what Redis says,
for the first minute after its return: Redis may have forgotten what was admitted.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from devora_ops.common.errors import RateLimited
from devora_ops.common.redis_line import RedisLine
from llm.gateway import limit_questions, limit_scripts
from llm.gateway.allowances import Account, Allowance
from llm.gateway.leases import Leases
from llm.gateway.lender import Lender
from llm.gateway.local_limits import LocalLimits
from llm.limit import WINDOW_S, Asked, Buckets, Limit, Taken

__all__ = ["Admission", "Limit", "Limiter"]

_NOTHING = (-1, 0, 0)  # to correct in a bucket


class Question(NamedTuple):
    """What Redis was asked for a call. at: on the loop's clock."""

    keys: Sequence[str]
    args: Sequence[str | int]
    sent: "asyncio.Future[Any]"
    at: float
    asks_ahead: bool


@dataclass(slots=True)
class Admission:
    """Room under the limits of one call, from the question for it until `done`.

    counted: what Redis has counted in each bucket, None where it did not; counted_at:
    the second in which this process did. account: what its buckets have lent here, None
    where nothing is; lent: what it was served from. question: None where Redis need not
    be asked or is away. remaining_requests, remaining_tokens: of the tightest bucket;
    None without limit.
    """

    limiter: "Limiter" = field(repr=False)
    asked: Asked
    counted_at: int
    account: Account | None = None
    alone: bool = False
    state: Literal["asked", "granted", "over"] = "asked"
    lent: Allowance | None = None
    question: Question | None = None
    counted: Sequence[Taken] | None = None
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
        self._local = LocalLimits(processes)
        self._leases = Leases(line, lease_s)
        self._lender = Lender(line, self._local, self._leases)
        self._admit = line.script(limit_scripts.ADMIT)
        self._finish = line.script(limit_scripts.FINISH)
        self._rounds: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to renew the leases of running calls, and to give back what is over."""
        rounds = (self._leases.renew(), self._lender.tidy(), self._sweep())
        self._rounds = [asyncio.create_task(each) for each in rounds]

    async def stop(self) -> None:
        """Stop renewing; leases that nobody ended run out."""
        for each in self._rounds:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each
        self._lender.give_back(math.inf)

    async def admit(self, buckets: Buckets, *, tokens: int, owner: str) -> Admission:
        """Make room in all the buckets or in none; raises RateLimited.

        tokens: an estimate, which `Admission.done` corrects. owner: the call's id. A
        call dearer than a minute's tokens needs an empty minute.
        """
        admission = self.ask(buckets, tokens=tokens, owner=owner)
        await admission.granted()
        return admission

    def ask(self, buckets: Buckets, *, tokens: int, owner: str) -> Admission:
        """Begin to make room, and go on until it has to be granted.

        Raises RateLimited where Redis need not be asked.
        """
        now = _now()
        if not buckets:
            return Admission(self, Asked((), tokens, owner), int(now), state="granted")
        if self._alone(now):
            return self._ask_alone(Asked(buckets, tokens, owner), now)
        account = self._lender.account(buckets, tokens, now)
        lent = account.lend(tokens, now)
        # Asking for a place while some are idle would take more and more of them.
        place = account.idle.pop() if account.idle else owner
        admission = Admission(self, Asked(buckets, tokens, place), int(now), account)
        if lent is not None:
            _serve(admission, lent)
        else:
            self._local.take(admission.asked, int(now))
            self._send(admission, now)
        return admission

    def _ask_alone(self, asked: Asked, now: float) -> Admission:
        # What was lent is part of our share: call by call it can be used up.
        self._lender.close(asked.buckets)
        self._check(asked, now)
        taken = self._local.take(asked, int(now))
        admission = Admission(self, asked, int(now), alone=True)
        admission.remaining_requests, admission.remaining_tokens = (
            limit_questions.remaining(asked, taken)
        )
        if self._line.is_up:
            self._send(admission, now)
        return admission

    def _send(self, admission: Admission, now: float) -> None:
        asked, account, ahead = admission.asked, admission.account, (0, 0)
        if account is not None and not account.asking:
            ahead = account.wanted()
            account.asking = ahead[0] > 0
        keys = limit_questions.keys(asked)
        args = limit_questions.arguments(asked, self._leases.lease_ms, ahead)
        sent = self._admit.send(keys, args)
        admission.question = Question(keys, args, sent, now, ahead[0] > 0)

    async def answer(self, admission: Admission) -> None:
        """Take Redis' answer in; raises RateLimited."""
        try:
            await self._hear(admission)
        except BaseException as error:
            self._undo(admission)
            if isinstance(error, RateLimited) and _serve_late(admission):
                return
            raise
        if admission.counted is None and not admission.alone:
            self._answer_alone(admission)
        admission.state = "granted"
        self._lease(admission.asked)

    def _answer_alone(self, admission: Admission) -> None:
        """Count a call anew, under our share, as Redis went away just now."""
        self._undo(admission)
        asked, now = admission.asked, _now()
        self._lender.close(asked.buckets)
        self._check(asked, now)
        taken, admission.counted_at = self._local.take(asked, int(now)), int(now)
        admission.remaining_requests, admission.remaining_tokens = (
            limit_questions.remaining(asked, taken)
        )

    def _undo(self, admission: Admission) -> None:
        admission.state = "over"
        self._local.undo(admission.asked, admission.counted_at)
        self._leases.free([admission.asked.place])

    def withdraw(self, admission: Admission) -> None:
        """End a call that was over before anybody waited for its room.

        It counts as one that used nothing, once Redis has said what it counted.
        """
        if admission.question is None:
            self.end(admission, 0)
        else:
            admission.question.sent.add_done_callback(
                partial(self._end_late, admission)
            )

    def _end_late(self, admission: Admission, sent: "asyncio.Future[Any]") -> None:
        try:
            self._read(admission, sent.result())
        except RateLimited:
            self._undo(admission)
        except (OSError, asyncio.CancelledError):
            self.end(admission, 0)
        else:
            self._lease(admission.asked)
            self.end(admission, 0)
        finally:
            _has_asked(admission)

    def end(self, admission: Admission, tokens_used: int) -> None:
        """Correct the estimate and free the place of a call that is over."""
        asked, account, lent = admission.asked, admission.account, admission.lent
        now, corrected, kept = _now(), False, False
        if account is not None:
            kept = account.keeps(asked.place, now)
            corrected = lent is not None and account.corrects(
                lent, asked.tokens, tokens_used, now
            )
        corrections = [] if corrected else self._correct(admission, tokens_used, now)
        leased = False
        if not kept and asked.buckets:
            self._local.free(asked.buckets, asked.place)
            leased = self._leases.forget(asked.place)
        if corrections or leased:
            nothing = _NOTHING * len(asked.buckets)
            keys = limit_questions.keys(asked)
            self._finish.tell(
                keys, ("" if kept else asked.place, *(corrections or nothing))
            )

    def _correct(self, admission: Admission, used: int, now: float) -> list[int]:
        """Correct an estimate here; return what Redis is told, nothing if it was right."""
        asked, wrong = admission.asked, False
        corrections: list[int] = []
        for i, (name, limit) in enumerate(asked.buckets):
            reserved = limit.reserved(asked.tokens)
            beyond = used - reserved if limit.tokens_per_minute is not None else 0
            if beyond:
                wrong = True
                self._local.correct(
                    name, beyond, counted_at=admission.counted_at, second=int(now)
                )
            counted = admission.counted
            second = counted[i].second if counted is not None else -1
            corrections += second, reserved, reserved + beyond
        return corrections if wrong else []

    def _alone(self, now: float) -> bool:
        """Whether our own share has to hold, as Redis does not know everything."""
        returned_at = self._line.returned_at
        return not self._line.is_up or (
            returned_at is not None and now - returned_at <= WINDOW_S + 1
        )

    def _check(self, asked: Asked, now: float) -> None:
        denial = self._local.check(asked, int(now))
        if denial is not None:
            raise limit_questions.refusal(denial)

    async def _hear(self, admission: Admission) -> None:
        """Take in what Redis has counted, unless it is away. Raises RateLimited."""
        question = admission.question
        if question is None:
            return
        try:
            answer = await self._admit.reply(
                question.sent, question.keys, question.args
            )
        except OSError:
            return
        except asyncio.CancelledError:
            # It may be admitted all the same, and nobody would end its lease. What was
            # granted ahead with it is lost for the minute.
            nothing = _NOTHING * len(admission.asked.buckets)
            self._leases.forget(admission.asked.place)
            self._finish.tell(question.keys, (admission.asked.place, *nothing))
            raise
        finally:
            _has_asked(admission)
        self._read(admission, answer)

    def _read(self, admission: Admission, answer: list[Any]) -> None:
        """Take in Redis' answer; raises RateLimited."""
        asked, question, second = admission.asked, admission.question, int(_now())
        granted = limit_questions.read(asked, answer)
        admission.counted = granted.counted
        for (name, _), total in zip(asked.buckets, granted.counted, strict=True):
            self._local.saw(name, total, second)
        admission.remaining_requests, admission.remaining_tokens = (
            limit_questions.remaining(asked, granted.counted)
        )
        account = admission.account
        if account is not None and question is not None and question.asks_ahead:
            self._lender.grant(account, asked, granted, question.at, second)

    def _lease(self, asked: Asked) -> None:
        if any(limit.concurrent is not None for _, limit in asked.buckets):
            self._leases.take(asked.place, asked.buckets)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(WINDOW_S / 3)
            self._local.sweep(int(_now()))


def _serve_late(admission: Admission) -> bool:
    """Admit a call that Redis refused from what it has lent meanwhile, if it can be."""
    asked, account = admission.asked, admission.account
    lent = account.lend(asked.tokens, _now()) if account else None
    if account is None or lent is None:
        return False
    if account.idle:
        admission.asked = asked._replace(place=account.idle.pop())
    _serve(admission, lent)
    return True


def _serve(admission: Admission, lent: Allowance) -> None:
    """Admit a call from what has been lent."""
    admission.lent, admission.state = lent, "granted"
    admission.counted, admission.counted_at = lent.counted, lent.counted_at
    admission.remaining_requests = lent.remaining_requests
    admission.remaining_tokens = lent.remaining_tokens


def _has_asked(admission: Admission) -> None:
    question, account = admission.question, admission.account
    if account is not None and question is not None and question.asks_ahead:
        account.asking = False


def _now() -> float:
    return asyncio.get_running_loop().time()
