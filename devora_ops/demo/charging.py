"""The demo's budgets: what its history was charged to them, and their limits."""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from django.db import connection

from costs.facts import Who
from costs.models import Budget
from costs.snapshot import Budgets, BudgetScope
from devora_ops.common.postgres import array_literal

# Hour by hour, because a period begins at some full hour. The last is the running one.
_MAKE = """
INSERT INTO costs_counter (budget_id, period_start, period_end)
SELECT DISTINCT b.id, costs_period_start(b.period, b.time_zone, moment),
       costs_period_end(b.period, b.time_zone, moment)
FROM costs_budget AS b,
     generate_series(date_trunc('hour', %s::timestamptz), %s::timestamptz,
                     interval '1 hour') AS moment
WHERE b.id = ANY (%s)
RETURNING budget_id, period_start, id
"""
_SPEND = """
UPDATE costs_counter AS c SET spent = c.spent + s.amount
FROM unnest(%s::bigint[], %s::numeric[]) AS s(id, amount) WHERE c.id = s.id
"""


class Charges:
    """Which counters attempts of the past are charged to, and what that comes to."""

    def __init__(
        self, budgets: Sequence[Budget], *, since: dt.datetime, until: dt.datetime
    ) -> None:
        self._budgets = Budgets([_scope(budget) for budget in budgets])
        self._starts: dict[int, list[dt.datetime]] = defaultdict(list)
        self._counters: dict[int, list[int]] = defaultdict(list)
        self._spent: defaultdict[int, Decimal] = defaultdict(Decimal)
        with connection.cursor() as cursor:
            ids = [budget.pk for budget in budgets]
            cursor.execute(_MAKE, [since, until, ids])
            for budget, start, counter in sorted(cursor.fetchall()):
                self._starts[budget].append(start)
                self._counters[budget].append(counter)

    def __call__(
        self, who: Who, model: str, left: dt.datetime, cost: Decimal | None
    ) -> tuple[int, ...]:
        """Charge an attempt; return the counters of the budgets it falls under."""
        ids, _hard = self._budgets.matching(who, model)
        counters = tuple(self._counter(budget, left) for budget in ids)
        for counter in counters:
            self._spent[counter] += cost or 0
        return counters

    def spent(self, budget: Budget) -> list[Decimal]:
        """Return what was spent in each period, the running one last."""
        return [self._spent[counter] for counter in self._counters[budget.pk]]

    def write(self) -> None:
        """Let the counters say what the attempts say."""
        spent = self._spent
        with connection.cursor() as cursor:
            cursor.execute(
                _SPEND, [array_literal(spent), array_literal(spent.values())]
            )

    def _counter(self, budget: int, moment: dt.datetime) -> int:
        place = bisect_right(self._starts[budget], moment) - 1
        return self._counters[budget][place]


def two_digits(amount: Decimal) -> Decimal:
    """Round down to two significant digits: a limit that a person would choose."""
    step = Decimal(1).scaleb(amount.adjusted() - 1)
    return amount.quantize(step, rounding=ROUND_FLOOR) if amount else amount


def _scope(budget: Budget) -> BudgetScope:
    return BudgetScope(
        id=budget.pk,
        hard=budget.hard,
        team=budget.team,
        agent=budget.agent,
        end_user=budget.end_user,
        model=budget.model,
        prompt=budget.prompt,
        experiment=budget.experiment,
    )
