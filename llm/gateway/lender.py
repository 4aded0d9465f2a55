"""Takes in what Redis grants a process ahead, and gives back what is left of it."""

import asyncio
import math

from devora_ops.common.redis_line import RedisLine
from llm.gateway import limit_questions, limit_scripts
from llm.gateway.allowances import Account, Allowance
from llm.gateway.leases import Leases
from llm.gateway.local_limits import LocalLimits
from llm.limit import Asked, Buckets

_TIDY_EVERY_S = 1.0


class Lender:
    """What one process has been granted ahead, by the names of the buckets."""

    def __init__(self, line: RedisLine, local: LocalLimits, leases: Leases) -> None:
        self._local = local
        self._leases = leases
        self._give_back = line.script(limit_scripts.GIVE_BACK)
        self._accounts: dict[tuple[str, ...], Account] = {}

    def account(self, buckets: Buckets, tokens: int, now: float) -> Account:
        """Return the account of some buckets, with one more call counted."""
        names = _names(buckets)
        account = self._accounts.get(names)
        if account is None:
            account = self._accounts[names] = Account()
        account.count(buckets, tokens, int(now))
        return account

    def grant(
        self,
        account: Account,
        asked: Asked,
        granted: limit_questions.Granted,
        sent_at: float,
        counted_at: int,
    ) -> None:
        """Take in what was granted ahead with a call that was sent at some time."""
        counted, calls, tokens, places, left_ms = granted
        requests_left, tokens_left = limit_questions.remaining(asked, counted)
        new = Allowance(
            ends_at=sent_at + left_ms / 1000,
            counted_at=counted_at,
            counted=counted,
            calls=calls,
            tokens=tokens,
            places=places,
            requests_besides=_without(requests_left, calls),
            tokens_besides=_without(tokens_left, tokens),
        )
        self._local.lend(asked.buckets, counted_at, calls, tokens)
        if old := account.grant(new):
            self._return(account, old)

    async def tidy(self) -> None:
        """Keep on giving back what nobody asked for in time."""
        while True:
            await asyncio.sleep(_TIDY_EVERY_S)
            now = asyncio.get_running_loop().time()
            self.give_back(now)
            self._accounts = {
                names: account
                for names, account in self._accounts.items()
                if not account.is_quiet(int(now))
            }

    def give_back(self, now: float) -> None:
        """Give back what is over by then, and the places that are idle for it."""
        for account in self._accounts.values():
            self._let_go(account, now)

    def close(self, buckets: Buckets) -> None:
        """Give back what some buckets have lent, before it is over."""
        account = self._accounts.get(_names(buckets))
        if account is not None:
            self._let_go(account, math.inf)

    def _let_go(self, account: Account, now: float) -> None:
        if over := account.over(now):
            self._return(account, over)
        if freed := account.superfluous():
            self._leases.free(freed)
            for place in freed:
                self._local.free(account.buckets, place)

    def _return(self, account: Account, lent: Allowance) -> None:
        calls, tokens = lent.calls, lent.tokens
        if calls or tokens:
            self._local.take_back(account.buckets, lent.counted_at, calls, tokens)
            windows = [limit_questions.names(name)[0] for name, _ in account.buckets]
            seconds = [each.second for each in lent.counted]
            self._give_back.tell(windows, (calls, tokens, *seconds))


def _names(buckets: Buckets) -> tuple[str, ...]:
    return tuple([name for name, _ in buckets])


def _without(left: int | None, granted: int) -> int | None:
    return None if left is None else max(0, left - granted)
