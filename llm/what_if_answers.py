"""What a what-if over the facts answers."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from costs.differences import WithDifference
from costs.pricing import round_usd
from costs.sampling import Estimate


@dataclass(frozen=True, slots=True)
class ModelRow(WithDifference):
    """What a model cost, and what it would have cost; counts of the latter are rounded."""

    model: str
    count: int
    actual_usd: Decimal
    what_if_count: int
    what_if_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(WithDifference):
    """What was asked about, what it cost, and what it would have cost.

    population: the facts that the figures are of; sampled: those of them that were read,
    which is all of them where the answer is exact.
    unpriced: facts beside them whose cost nobody knows. rows: the dearest first.
    """

    start: dt.datetime
    end: dt.datetime
    actual_usd: Decimal
    estimate: Estimate
    exact: bool
    population: int
    sampled: int
    unpriced: int
    rows: Sequence[ModelRow]

    @property
    def what_if_usd(self) -> Decimal:
        """Return what it would have cost."""
        return round_usd(self.estimate.value)

    @property
    def interval(self) -> tuple[Decimal, Decimal]:
        """Return the 95 % interval of what it would have cost."""
        return round_usd(self.estimate.low), round_usd(self.estimate.high)


def dearest_first(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """Return rows by the larger of what they cost and would have cost."""
    return sorted(
        rows, key=lambda row: (-max(row.actual_usd, row.what_if_usd), row.model)
    )
