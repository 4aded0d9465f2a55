"""From a plan to an answer: who is asked, how often, and who comes next."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from costs.snapshot import Budgets, PriceBook
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.snapshots import Snapshot
from llm.gateway import refusals, retries
from llm.gateway.attempt import Attempt
from llm.gateway.books import Books
from llm.gateway.bulkhead import Bulkhead
from llm.gateway.call import Call
from llm.gateway.discovery import Discovery
from llm.gateway.exchange import Exchange, RefusedError
from llm.gateway.health import Health
from llm.gateway.http import Send
from llm.gateway.planning import Plan
from llm.gateway.refusals import Refusal
from llm.gateway.retries import RetryBudget
from llm.snapshot import Target


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Tries targets in turn until one of them serves the call."""

    exchange: Exchange
    books: Books
    health: Health
    discovery: Discovery
    prices: Snapshot[PriceBook]
    budgets: Snapshot[Budgets]
    bulkhead: Bulkhead = field(default_factory=Bulkhead)
    retry_budgets: defaultdict[str, RetryBudget] = field(
        default_factory=lambda: defaultdict(RetryBudget)
    )

    async def serve(self, call: Call, plan: Plan, send: Send) -> None:
        """Serve a call; raises what the agent gets when nobody could."""
        targets = self.health.ordered(plan.targets)
        refusal: Refusal | None = None
        while targets:
            target, *others = targets
            if target is not plan.targets[0]:
                call.probability = None  # it is the one of who was chosen first
            newest = await self._serve_from(target, others, call, plan, send)
            if newest is None:
                return
            # What a provider said tells more than that another was not asked.
            if refusal is None or newest.sent or not refusal.sent:
                refusal = newest
            if not newest.fallback or call.tried >= plan.policy.max_attempts:
                break
            targets = _larger(others, target) if newest.too_long else others
            # Its hold is freed first, so that the next target's fits beside it.
            await self.books.post(call)
        assert refusal is not None, "a plan has a target"
        error = refusal.error
        # The error comes to know this frame: what the frame knows of the error would
        # keep all that the call held until the garbage collector comes.
        del refusal, newest
        try:
            raise error
        finally:
            del error

    async def _serve_from(
        self,
        target: Target,
        others: Sequence[Target],
        call: Call,
        plan: Plan,
        send: Send,
    ) -> Refusal | None:
        """Ask one target, again if that can help; return why it did not serve."""
        budget = self.retry_budgets[target.upstream.slug]
        budget.deposit(time.monotonic())
        for retry in itertools.count(1):
            refusal = await self._try(target, call, plan, send)
            if refusal is None or refusal.retry == "no":
                return refusal
            if any(map(self.health.is_well, others)):
                return refusal
            # The last attempt is kept for who has not been asked.
            if call.tried >= plan.policy.max_attempts - bool(others):
                return refusal
            wait_s = _wait_s(refusal, retry)
            if wait_s is None or not budget.take():
                return refusal
            await self.books.post(call)
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _try(
        self, target: Target, call: Call, plan: Plan, send: Send
    ) -> Refusal | None:
        permit = self.health.ask(target)
        if permit is None:
            return refusals.unavailable(self.health.wait_s(target))
        provider = target.upstream.slug
        if not self.bulkhead.enter(provider, most=target.upstream.bulkhead_size):
            self.health.abandoned(target, permit)
            return refusals.busy()
        try:
            refusal = await self._attempt(target, call, plan, send)
        except RefusedError as error:
            self.health.refused(target, permit, error.refusal)
            return error.refusal.under(plan.policy)
        except BaseException:
            self.health.abandoned(target, permit)
            raise
        finally:
            self.bulkhead.leave(provider)
        if refusal is None:
            self.health.succeeded(target, permit)
            self.discovery.served(target)
        else:  # the answer had begun: for this call nothing can be mended
            self.health.refused(target, permit, refusal)
        return None

    async def _attempt(
        self, target: Target, call: Call, plan: Plan, send: Send
    ) -> Refusal | None:
        call.model = target.model
        try:
            attempt = Attempt(
                call,
                target,
                call.format.codec(target.upstream),
                default_max_tokens=plan.default_max_tokens,
            )
        except InvalidRequest as error:
            # What one provider cannot do, another may.
            raise RefusedError(Refusal(error, fallback=True, sent=False)) from error
        await attempt.hold(self.books.ledger, self.prices.current, self.budgets.current)
        call.tried += 1
        return await self.exchange.run(attempt, send, plan.policy)


def _larger(targets: Sequence[Target], small: Target) -> Sequence[Target]:
    """Return the targets whose context window is declared larger than another's."""
    least = small.context_window
    if least is None:
        return ()
    return [each for each in targets if (each.context_window or 0) > least]


def _wait_s(refusal: Refusal, retry: int) -> float | None:
    if refusal.retry == "now":
        return 0.0
    return retries.back_off_s(retry, told_s=refusal.retry_after_s)
