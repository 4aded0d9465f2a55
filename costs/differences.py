"""What a cost is beside what it would have been."""

from decimal import Decimal
from typing import Protocol


class Compared(Protocol):
    """Whatever knows both."""

    @property
    def actual_usd(self) -> Decimal:
        """What it cost."""

    @property
    def what_if_usd(self) -> Decimal:
        """What it would have cost."""


class WithDifference:
    """Gives a dataclass of both what lies between them."""

    __slots__ = ()

    @property
    def difference_usd(self: Compared) -> Decimal:
        """Return what would have been added."""
        return self.what_if_usd - self.actual_usd

    @property
    def percent(self: Compared) -> Decimal | None:
        """Return the difference in percent of what it cost; None of $0."""
        if not self.actual_usd:
            return None
        share = (self.what_if_usd - self.actual_usd) / self.actual_usd * 100
        return share.quantize(Decimal("0.01"))
