"""Random histories of a ledger in use, and what must hold after each of their steps.

Each history has budgets of its own, nested as people nest them (everything, a team, an
agent, a model, a user), and remembers apart from Postgres what they should come to.
"""

import asyncio
import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.db import connection

from costs import services
from costs.facts import Who
from costs.snapshot import Budgets
from devora_ops.common.errors import BudgetExceeded
from tests.costs.books import Books, Held
from tests.costs.remembered import Account, Remembered

_AGENTS, _USERS, _MODELS = ("writer", "reader"), ("", "ann", "bob"), ("p/m", "p/n")
_PERIODS = ("day", "week", "month", "quarter", "total")
# All amounts are whole micros, but for those of callers who hang up.
_MICRO, _NANO = Decimal("0.000001"), Decimal("0.000000001")

_COUNTERS = """
SELECT k.id, k.held, k.spent,
       (SELECT coalesce(sum(amount), 0) FROM costs_hold WHERE k.id = ANY (counters)),
       (SELECT coalesce(sum(cost_usd), 0) FROM costs_attempt
        WHERE id = ANY (%s) AND k.id = ANY (counters))
FROM costs_counter AS k WHERE k.budget_id = ANY (%s)
"""
# A period that has passed begins earlier; nobody waits for midnight here.
_PASS = """
UPDATE costs_counter
SET period_start = period_start - %s * interval '1 day',
    period_end = period_end - %s * interval '1 day'
WHERE id = %s
"""


def quiet_zone(now: dt.datetime) -> str:
    """Return a zone where no day ends while a history runs."""
    return "UTC" if 1 <= now.hour < 22 else "Asia/Tokyo"


class History:
    """One history: what was done in it, and what its books should say."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books = books
        self.done: list[str] = []
        self.refused = self.admitted = self.swept = 0
        self._dice = Random(seed)
        self._crumb = _NANO * (1 + seed % 999)
        self._team = f"team-{uuid.uuid4().hex[:12]}"
        self._zone = quiet_zone(dt.datetime.now(dt.UTC))
        self._budgets: dict[int, Remembered] = {}
        self._deleted: list[int] = []
        self._open: list[Held] = []
        self._attempts: list[uuid.UUID] = []
        self._past_days = itertools.count(10_000, -100)

    async def run(self, steps: int) -> None:
        """Do so many things at random, and settle what is open at the end."""
        url = self.books.url
        self._sight = await psycopg.AsyncConnection.connect(url, autocommit=True)
        async with self._sight:
            await self._live(steps)

    async def _live(self, steps: int) -> None:
        for scope in self._nested():
            await self._add_budget(**scope)
        acts, weights = zip(*self._acts(), strict=True)
        for act in self._dice.choices(acts, weights, k=steps):
            await self._step(act)
        while self._open:
            await self._step(self._settle_several)
        assert all(
            account.held == 0
            for budget in self._budgets.values()
            for account in budget.accounts.values()
        )

    async def _step(self, act: Callable[[], Coroutine[Any, Any, str]]) -> None:
        before = {
            counter: account.taken
            for budget in self._budgets.values()
            for counter, account in budget.accounts.items()
        }
        self.done.append(await act())
        await self._check(before)

    def _acts(
        self,
    ) -> Iterator[tuple[Callable[[], Coroutine[Any, Any, str]], int]]:
        yield self._hold, 30
        yield self._hold_several, 10
        yield self._settle_one, 20
        yield self._settle_several, 6
        yield self._settle_twice, 4
        yield self._release, 8
        yield self._hang_up, 3
        yield self._die, 3
        yield self._change_limit, 8
        yield self._change_period, 2
        yield self._roll_over, 4
        yield self._add_one, 3
        yield self._delete_one, 2

    def _nested(self) -> Iterator[dict[str, str]]:
        yield {}
        yield {"team": self._team}
        yield {"team": self._team, "agent": _AGENTS[0]}
        yield {"model": _MODELS[0]}
        yield {"team": self._team, "end_user": _USERS[1]}

    # What can happen.

    async def _hold(self) -> str:
        covering, amount = self._who_pays(), self._amount()
        mine = [self._budgets[each] for each in covering if each in self._budgets]
        full = [each.row.pk for each in mine if each.refuses(amount)]
        (answer,) = await asyncio.gather(
            self.books.hold(*covering, amount=amount), return_exceptions=True
        )
        if isinstance(answer, Held):
            assert not full, f"{amount} was admitted, but {full} had no room"
            self._admit(answer, covering)
            return f"{amount} held in {covering}"
        assert isinstance(answer, BudgetExceeded), answer
        assert answer.extra["budget"] in full
        self.refused += 1
        return f"{amount} refused, for {full} had no room"

    async def _hold_several(self) -> str:
        wanted = [(self._who_pays(), self._amount()) for _ in range(8)]
        answers = await asyncio.gather(
            *(self.books.hold(*who, amount=amount) for who, amount in wanted),
            return_exceptions=True,
        )
        for (covering, _), answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Held):
                self._admit(answer, covering)
            else:
                self.refused += 1
                assert isinstance(answer, BudgetExceeded), answer
        return f"{len(wanted)} held at once, {self.refused} refused so far"

    async def _settle_one(self) -> str:
        return await self._settle(self._take(1))

    async def _settle_several(self) -> str:
        return await self._settle(self._take(6))

    async def _settle_twice(self) -> str:
        mine = self._take(2)
        return await self._settle([*mine, *mine])

    async def _settle(self, held: list[Held]) -> str:
        costs = {each.attempt: self._part_of(each.amount) for each in held}
        await asyncio.gather(
            *(
                self.books.ledger.settle(
                    self.books.settlement(each, str(costs[each.attempt]))
                )
                for each in held
            )
        )
        for each in {each.attempt: each for each in held}.values():
            self._close(each, costs[each.attempt])
        return f"{len(held)} settled"

    async def _release(self) -> str:
        """Let attempts end that came to nothing: their provider refused them."""
        mine = self._take(2)
        for each in mine:
            settlement = self.books.settlement(each, "0")
            settlement.attempts[0].state = "released"
            await self.books.ledger.settle(settlement)
            self._close(each, Decimal(0))
        return f"{len(mine)} released"

    async def _hang_up(self) -> str:
        """Let a caller go as its hold is being made: it is given back."""
        covering = self._who_pays()
        leaving = asyncio.create_task(self.books.hold(*covering, amount=self._crumb))
        for _ in range(self._dice.randrange(3)):
            await asyncio.sleep(0)
        leaving.cancel()
        (left,) = await asyncio.gather(leaving, return_exceptions=True)
        assert not isinstance(left, Held)
        await self._hold_nothing()  # behind it in the line: its own was decided
        await self._until_given_back()
        return "hung up"

    async def _hold_nothing(self) -> None:
        held = await self.books.hold(amount=Decimal(0))
        self._open.append(held)
        self._attempts.append(held.attempt)

    async def _die(self) -> str:
        """Let the process of some calls die; others settle them at their worst case."""
        mine = self._take(2)
        lost = [each.attempt for each in mine]
        await self._ask(
            "UPDATE costs_hold SET owner = %s WHERE attempt_id = ANY (%s)",
            *(uuid.uuid4(), lost),
        )
        await self.books.ledger.sweep()
        await self._until(
            "SELECT NOT EXISTS (SELECT 1 FROM costs_hold WHERE attempt_id = ANY (%s))",
            lost,
        )
        for each in mine:
            self._close(each, each.amount)
            # Its own settlement comes after all: too late.
            await self.books.ledger.settle(self.books.settlement(each, "0.5"))
        self.swept += len(mine)
        return f"{len(mine)} swept"

    async def _change_limit(self) -> str:
        budget = self._any_budget()
        taken = budget.row.limit_usd - budget.room()
        limit = self._dice.choice(
            [budget.row.limit_usd * 2, taken, taken / 2, taken + _MICRO]
        ).quantize(_MICRO)
        await self._change(budget, limit_usd=limit)
        return f"limit of {budget.row.pk} is {limit}, {taken} taken"

    async def _change_period(self) -> str:
        budget = self._any_budget()
        period = self._dice.choice(_PERIODS)
        await self._change(budget, period=period)
        return f"{budget.row.pk} is by {period}"

    async def _roll_over(self) -> str:
        budget = self._any_budget()
        if budget.running is None or budget.row.period == "total":
            return "no period ends"
        days = next(self._past_days)
        await self._ask(_PASS, days, days, budget.running)
        budget.running = None
        return f"a period of {budget.row.pk} ends"

    async def _add_one(self) -> str:
        scope = self._dice.choice(list(self._nested()))
        return f"{await self._add_budget(**scope)} added"

    async def _delete_one(self) -> str:
        budget = self._any_budget()
        number = budget.row.pk
        await _in_thread(services.delete_budget, budget.row, actor="history")
        del self._budgets[number]
        self._deleted.append(number)
        return f"{number} deleted"

    # What is remembered.

    async def _add_budget(self, **scope: str) -> int:
        row = await _in_thread(
            services.create_budget,
            actor="history",
            name=uuid.uuid4().hex,
            limit_usd=self._amount() * self._dice.randint(2, 20),
            period=self._dice.choice(_PERIODS),
            time_zone=self._zone,
            hard=self._dice.random() < 0.8,
            **scope,
        )
        self._budgets[row.pk] = Remembered(row)
        return int(row.pk)

    async def _change(self, budget: Remembered, **changes: Any) -> None:
        await _in_thread(services.change_budget, budget.row, actor="history", **changes)

    def _any_budget(self) -> Remembered:
        return self._dice.choice(list(self._budgets.values()))

    def _who_pays(self) -> tuple[int, ...]:
        """Return the budgets of some caller; its process may not know of a deletion."""
        who = Who(
            team=self._team,
            agent=self._dice.choice(_AGENTS),
            end_user=self._dice.choice(_USERS),
        )
        scopes = [each.scope() for each in self._budgets.values()]
        covering, _ = Budgets(scopes).matching(who, self._dice.choice(_MODELS))
        if self._deleted and self._dice.random() < 0.2:
            covering += (self._dice.choice(self._deleted),)
        return covering

    def _admit(self, held: Held, covering: tuple[int, ...]) -> None:
        self.admitted += 1
        self._open.append(held)
        self._attempts.append(held.attempt)
        known = [self._budgets[each] for each in covering if each in self._budgets]
        assert len(held.counters) == len(known)
        for budget, counter in zip(known, held.counters, strict=True):
            assert budget.running in (None, counter)
            budget.running = counter
            budget.accounts.setdefault(counter, Account()).held += held.amount

    def _take(self, most: int) -> list[Held]:
        self._dice.shuffle(self._open)
        mine, self._open = self._open[:most], self._open[most:]
        return mine

    def _close(self, held: Held, cost: Decimal) -> None:
        for budget in self._budgets.values():
            for counter in budget.accounts.keys() & set(held.counters):
                budget.accounts[counter].held -= held.amount
                budget.accounts[counter].spent += cost

    def _amount(self) -> Decimal:
        return _MICRO * self._dice.randint(1, 10**6)

    def _part_of(self, amount: Decimal) -> Decimal:
        return (amount * self._dice.randint(0, 4) / 4).quantize(_NANO)

    # What must hold.

    async def _check(self, before: dict[int, Decimal]) -> None:
        rows = await self._ask(_COUNTERS, self._attempts, list(self._budgets))
        found = {row[0]: row[1:] for row in rows}
        for budget in self._budgets.values():
            for counter, account in budget.accounts.items():
                held, spent, holds, attempts = found.pop(counter)
                assert (held, spent) == (holds, attempts)
                assert (held, spent) == (account.held, account.spent)
                assert held >= 0
            if budget.row.hard and budget.running is not None:
                taken = budget.accounts[budget.running].taken
                assert taken <= max(budget.row.limit_usd, before.get(budget.running, 0))
        # A refusal begins a period too, and takes nothing.
        assert all(not any(amounts) for amounts in found.values())

    async def _until_given_back(self) -> None:
        await self._until(
            "SELECT NOT EXISTS (SELECT 1 FROM costs_hold"
            " WHERE facts -> 'who' ->> 'team' = %s AND amount = %s)",
            *(self.books.team, self._crumb),
        )

    async def _until(self, question: str, *values: object) -> None:
        for _ in range(2000):
            if (await self._ask(question, *values))[0][0]:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"never came true: {question}")

    async def _ask(self, question: str, *values: object) -> list[Any]:
        cursor = await self._sight.execute(question, values)
        return await cursor.fetchall() if cursor.description else []


async def _in_thread(service: Callable[..., Any], *values: Any, **fields: Any) -> Any:
    def there() -> Any:
        # The thread's own may be to the database of another test, and would be for one.
        connection.close()
        try:
            return service(*values, **fields)
        finally:
            connection.close()

    return await sync_to_async(there)()
