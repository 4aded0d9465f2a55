"""How often and how late a target is asked again. Pure.

Retries are paid from a budget that requests fill, so that an outage is not answered
with twice the load: a tenth of a retry a request, and at least three a second.
"""

import random
from dataclasses import dataclass

MOST_WAIT_S = 30.0  # that a provider may tell; spread comes on top

_PER_REQUEST = 0.1
_PER_SECOND = 3.0
_MOST_SAVED = 10.0
_FIRST_BACK_OFF_S = 0.5
_SPREAD = 0.4


@dataclass(slots=True)
class RetryBudget:
    """What one provider's retries may still cost; times are seconds of any clock."""

    _left: float = _PER_SECOND
    _last: float = 0.0

    def deposit(self, now: float) -> None:
        """Count a request."""
        earned = max(_PER_REQUEST, _PER_SECOND * (now - self._last))
        self._left = min(_MOST_SAVED, self._left + earned)
        self._last = now

    def take(self) -> bool:
        """Pay for a retry; False when there is nothing left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def back_off_s(retry: int, *, told_s: float | None = None) -> float | None:
    """Return how long to wait before a retry, counted from 1; None: nobody waits so long.

    Never earlier than the provider told, and spread, so that callers who were refused
    together do not come back together.
    """
    if told_s is not None and told_s > MOST_WAIT_S:
        return None
    if told_s is not None:
        return told_s * (1 + _SPREAD * random.random())
    return float(_FIRST_BACK_OFF_S * 2 ** (retry - 1) * random.random())
