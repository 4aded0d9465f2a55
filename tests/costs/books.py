"""A ledger at work on a committed database, and direct sight of its tables."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import psycopg

from costs.facts import AttemptFact, CallFact, Settlement, Who
from costs.journal import Journal
from costs.ledger import Ledger
from costs.pricing import Usage
from costs.reserving import Reservation
from devora_ops.common.ids import uuid7

ONE_CENT = Decimal("0.01")


class Books:
    """A ledger, and direct sight of its tables."""

    def __init__(
        self, url: str, *, journal: Journal | None = None, **options: Any
    ) -> None:
        self.url = url
        self.team = f"team-{uuid.uuid4().hex[:8]}"
        # Its connections have a name of their own, for tests that break them.
        self.ledger = Ledger(url, label=self.team, journal=journal, **options)

    async def query(self, sql: str, *values: object) -> list[Any]:
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        async with connection:
            cursor = await connection.execute(sql, values)
            return await cursor.fetchall() if cursor.description else []

    async def budget(self, limit: str, *, hard: bool = True) -> int:
        rows = await self.query(
            "INSERT INTO costs_budget (name, limit_usd, period, time_zone, team, agent,"
            " end_user, model, prompt, experiment, hard, created_at, updated_at) "
            "VALUES (%s, %s, 'month', 'Europe/Paris', %s, '', '', '', '', '', %s,"
            " now(), now()) RETURNING id",
            *(uuid.uuid4().hex, Decimal(limit), self.team, hard),
        )
        return int(rows[0][0])

    async def counter(self, budget: int) -> tuple[Decimal, Decimal]:
        """Return spent and held."""
        rows = await self.query(
            "SELECT spent, held FROM costs_counter WHERE budget_id = %s", budget
        )
        return rows[0] if rows else (Decimal(0), Decimal(0))

    async def hold(self, *budgets: int, amount: Decimal = ONE_CENT) -> "Held":
        held = Held(uuid7(), uuid7(), amount)
        facts = (
            b'{"who": {"team": "%s"}, "requested": "m", "request_id": "r", '
            b'"provider": "p", "model": "p/m", "number": 1, "priced": true}'
            % self.team.encode()
        )
        held.counters = await self.ledger.hold(
            Reservation(held.attempt, held.call, amount, budgets, facts)
        )
        return held

    def settlement(self, held: "Held", cost: str) -> Settlement:
        now = dt.datetime.now(dt.UTC)
        who, usage = Who(team=self.team), Usage(input=10, output=5)
        attempt = AttemptFact(
            id=held.attempt,
            call_id=held.call,
            number=1,
            who=who,
            provider="p",
            model="p/m",
            state="settled",
            settled_at=now,
            latency_ms=12.0,
            usage=usage,
            raw_usage={"prompt_tokens": 10},
            cost_usd=Decimal(cost),
            counters=held.counters,
        )
        call = CallFact(
            id=held.call,
            who=who,
            requested="m",
            model="p/m",
            status="ok",
            http_status=200,
            finished_at=now,
            latency_ms=12.0,
            usage=usage,
            cost_usd=Decimal(cost),
            attempts=1,
        )
        return Settlement((attempt,), call)


class Held:
    def __init__(self, attempt: uuid.UUID, call: uuid.UUID, amount: Decimal) -> None:
        self.attempt, self.call, self.amount = attempt, call, amount
        self.counters: tuple[int, ...] = ()
