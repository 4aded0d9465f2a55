"""Where spending is heading: one method for every page that says so."""

from decimal import Decimal
from typing import Final

TOO_EARLY: Final = 0.1


def at_this_pace(spent: Decimal, passed: float) -> Decimal | None:
    """Return what a period costs if its rest goes as its beginning went.

    passed: the part of the period that is over, 0 to 1. None while it is too early to
    tell, which in a month is its first three days, and while nothing was spent.
    """
    if passed < TOO_EARLY or not spent:
        return None
    return spent / Decimal(str(passed))
