"""Comparison with the period before: only where both were watched from end to end."""

from dataclasses import dataclass
from decimal import Decimal

from devora_ops.common import formats
from devora_ops.common.formats import Delta, Welcome
from devora_ops.dashboard import queries
from devora_ops.dashboard.windows import Window

# So much of the earlier period may lie before the first call of all.
_UNWATCHED = 0.1


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the numbers of a window are compared.

    whole: the earlier period was watched. A rise from a few hours of it to a week of
    this one says nothing.
    """

    window: Window
    whole: bool

    def delta(
        self,
        now: float | Decimal | None,
        before: float | Decimal | None,
        *,
        welcome: Welcome,
        calls: int,
    ) -> Delta | None:
        """Say how a number changed; None where that would mean nothing."""
        if not self.window.is_compared or (before and not self.whole):
            return None
        return formats.delta(
            now,
            before,
            previous=str(self.window.range.previous),
            welcome=welcome,
            calls=calls,
        )


def comparison(window: Window) -> Comparison:
    """Find out whether the sums reach back to the beginning of the earlier period."""
    first = queries.first_bucket(window)
    length = window.previous_end - window.previous_start
    return Comparison(
        window,
        first is not None and first <= window.previous_start + length * _UNWATCHED,
    )
