"""What budgets should come to, remembered apart from Postgres."""

from dataclasses import dataclass, field
from decimal import Decimal

from costs.models import Budget
from costs.snapshot import BudgetScope


@dataclass
class Account:
    """What a counter should come to, by what its history remembers."""

    held: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)

    @property
    def taken(self) -> Decimal:
        return self.held + self.spent


@dataclass
class Remembered:
    """A budget, the accounts of its periods by counter, and the one that runs."""

    row: Budget
    accounts: dict[int, Account] = field(default_factory=dict)
    running: int | None = None

    def room(self) -> Decimal:
        taken = self.accounts[self.running].taken if self.running else Decimal(0)
        return self.row.limit_usd - taken

    def refuses(self, amount: Decimal) -> bool:
        return self.row.hard and self.room() < amount

    def scope(self) -> BudgetScope:
        """Return whom it covers, as the data plane reads it."""
        return BudgetScope(
            id=self.row.pk,
            hard=self.row.hard,
            team=self.row.team,
            agent=self.row.agent,
            end_user=self.row.end_user,
            model=self.row.model,
            prompt=self.row.prompt,
            experiment=self.row.experiment,
        )
