"""The price book and the budgets as the data plane reads them."""

import datetime as dt
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from psycopg.rows import dict_row

from costs.facts import Who
from costs.pricing import Price, ScheduleInvalid, make_price
from devora_ops.common.postgres import Connection
from devora_ops.common.snapshots import Snapshot

log = logging.getLogger("[CostTracker]")


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Each model's prices by the moment they come into force."""

    starts: Mapping[str, Sequence[dt.datetime]] = field(default_factory=dict)
    prices: Mapping[str, Sequence[Price]] = field(default_factory=dict)

    def price(self, model: str, at: dt.datetime) -> Price | None:
        """Return the price in force, or None for a model that has none."""
        place = bisect_right(self.starts.get(model, ()), at)
        return self.prices[model][place - 1] if place else None


async def load_prices(connection: Connection) -> PriceBook:
    """Read the whole price book."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM costs_price ORDER BY model, valid_from")
        rows = await cursor.fetchall()
    starts: defaultdict[str, list[dt.datetime]] = defaultdict(list)
    prices: defaultdict[str, list[Price]] = defaultdict(list)
    for row in rows:
        try:
            price = make_price(row)
        except ScheduleInvalid as error:
            # One bad row must not take all others along; its model is unpriced.
            log.error("price %s of %s is left out: %s", row["id"], row["model"], error)
            continue
        starts[row["model"]].append(row["valid_from"])
        prices[row["model"]].append(price)
    return PriceBook(dict(starts), dict(prices))


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """What a budget covers, an empty value matches everything; and what its steps do.

    route_down_at, cache_only_at: percentages of the limit; None where there is no step.
    """

    id: int
    hard: bool
    team: str
    agent: str
    end_user: str
    model: str
    prompt: str
    experiment: str
    name: str = ""
    limit_usd: Decimal = Decimal(0)
    route_down_at: int | None = None
    route_down_to: str = ""
    cache_only_at: int | None = None

    @property
    def has_steps(self) -> bool:
        """Whether anything happens to calls before the limit."""
        return self.route_down_at is not None or self.cache_only_at is not None

    def covers(self, who: Who, model: str) -> bool:
        """Say whether an attempt falls under this budget: all that is named matches."""
        return (
            self.team in ("", who.team)
            and self.agent in ("", who.agent)
            and self.end_user in ("", who.end_user)
            and self.model in ("", model)
            and self.prompt in ("", who.prompt)
            and self.experiment in ("", who.experiment)
        )


class Budgets:
    """All budgets, and which of them an attempt falls under.

    stepped: those that do something to calls before their limit.
    """

    def __init__(
        self,
        scopes: Sequence[BudgetScope] = (),
        demo_teams: frozenset[str] = frozenset(),
    ) -> None:
        self._scopes = scopes
        self._demo_teams = demo_teams
        self._names = {each.id: each.name for each in scopes}
        self.stepped = tuple(each for each in scopes if each.has_steps)
        self.matching = lru_cache(maxsize=4096)(self._matching)

    def name(self, budget_id: int) -> str:
        """Return what people call a budget."""
        return self._names.get(budget_id, str(budget_id))

    def _matching(self, who: Who, model: str) -> tuple[tuple[int, ...], bool]:
        """Return the ids of the budgets an attempt falls under, and whether one is hard.

        The demo's spend is nobody's: a demo team counts only in budgets of its own.
        """
        scopes: Sequence[BudgetScope] = self._scopes
        if who.team in self._demo_teams:
            scopes = [each for each in scopes if each.team == who.team]
        found = [each for each in scopes if each.covers(who, model)]
        return tuple(each.id for each in found), any(each.hard for each in found)


async def load_budgets(connection: Connection) -> Budgets:
    """Read every budget's scope, in the order of ids."""
    cursor = await connection.execute(
        "SELECT id, hard, team, agent, end_user, model, prompt, experiment, name, "
        "limit_usd, route_down_at, route_down_to, cache_only_at "
        "FROM costs_budget ORDER BY id"
    )
    rows: list[Any] = await cursor.fetchall()
    scopes = [BudgetScope(*row) for row in rows]
    cursor = await connection.execute("SELECT slug FROM ops_team WHERE is_demo")
    teams: list[Any] = await cursor.fetchall()
    return Budgets(scopes, frozenset(slug for (slug,) in teams))


def price_book() -> Snapshot[PriceBook]:
    """Return the snapshot of prices."""
    return Snapshot(tables=["costs_price"], load=load_prices, empty=PriceBook())


def budgets() -> Snapshot[Budgets]:
    """Return the snapshot of budgets."""
    return Snapshot(
        tables=["costs_budget", "ops_team"], load=load_budgets, empty=Budgets()
    )
