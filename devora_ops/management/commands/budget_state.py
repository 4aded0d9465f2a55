"""`manage.py budget_state`: what each budget's current period has spent and holds."""

from typing import Any

import orjson
from django.core.management.base import BaseCommand

from costs.budgets import BudgetState, budget_states
from costs.models import Budget


class Command(BaseCommand):
    """Write one JSON list, a budget an object; money as text, so that it stays exact."""

    help = "Show limit, spent, held and the sum of open holds of every budget."

    def handle(self, *args: Any, **options: Any) -> None:
        budgets = list(Budget.objects.all())
        states = budget_states(budget.pk for budget in budgets)
        rows = [
            _row(budget, states[budget.pk]) for budget in budgets if budget.pk in states
        ]
        self.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())


def _row(budget: Budget, state: BudgetState) -> dict[str, Any]:
    return {
        "id": budget.pk,
        "name": budget.name,
        "period": budget.period,
        "period_start": state.start,
        "period_end": state.end,
        "hard": budget.hard,
        "limit": f"{budget.limit_usd:f}",
        "spent": f"{state.spent:f}",
        "held": f"{state.held:f}",
        "open_holds": f"{state.open_holds:f}",
    }
