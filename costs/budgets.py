"""What each budget has spent and set aside in the period that runs now."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from costs.models import Budget, BudgetStage
from costs.steps import step_of


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget's counter; open_holds is what `held` must equal. end is None for ever."""

    spent: Decimal
    held: Decimal
    open_holds: Decimal
    start: dt.datetime
    end: dt.datetime | None


def stage_of(budget: Budget, *, spent: Decimal, held: Decimal) -> BudgetStage:
    """Return the furthest step that a budget's running period has reached.

    People are warned of what is spent; steps act, and calls are refused, by what is set
    aside besides.
    """
    used = spent + held
    if budget.hard and used >= budget.limit_usd:
        return BudgetStage.BLOCK
    if (step := step_of(budget, used)) is not None:
        return BudgetStage(step.action)
    first = min(budget.alert_steps, default=0)
    warned = first and budget.limit_usd and spent * 100 >= budget.limit_usd * first
    return BudgetStage.WARN if warned else BudgetStage.NONE


_STATES = """
SELECT b.id, coalesce(c.spent, 0), coalesce(c.held, 0), coalesce(h.amount, 0),
       costs_period_start(b.period, b.time_zone, now()),
       costs_period_end(b.period, b.time_zone, now())
FROM costs_budget AS b
LEFT JOIN costs_counter AS c ON c.budget_id = b.id
    AND c.period_start = costs_period_start(b.period, b.time_zone, now())
LEFT JOIN LATERAL (
    SELECT sum(amount) AS amount FROM costs_hold WHERE c.id = ANY (counters)
) AS h ON true
WHERE b.id = ANY (%s)
"""


def budget_states(budget_ids: Iterable[int]) -> dict[int, BudgetState]:
    """Return the state of some budgets by id; what was deleted is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [list(budget_ids)])
        return {row[0]: BudgetState(*row[1:]) for row in cursor.fetchall()}
