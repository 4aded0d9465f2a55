"""What a page has not been told yet: bounded, however fast calls come in."""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone, translation

from devora_ops.dashboard.clocks import zone_of
from devora_ops.dashboard.feed import ROWS, feed_row
from devora_ops.dashboard.filters import Scope
from devora_ops.dashboard.sessions import Listener

Frame = dict[str, Any]
News = Mapping[str, Any]


class Digest:
    """Sums and the newest rows of the calls that a page's filters admit."""

    def __init__(self, scope: Scope = Scope()) -> None:  # noqa: B008  # it is frozen
        self._scope = scope
        self._newest: deque[News] = deque(maxlen=ROWS)
        self._calls = 0
        self._cost_usd = Decimal(0)
        self._tokens = 0
        self._complete = True

    def add(self, calls: Iterable[News], *, complete: bool) -> None:
        """Take in settled calls; not complete: others were settled and are not here."""
        self._complete &= complete
        for call in calls:
            if self._scope.matches(call):
                self._newest.append(call)
                self._calls += 1
                self._cost_usd += Decimal(call["cost_usd"] or 0)
                self._tokens += call["tokens_in"] + call["tokens_out"]

    def __bool__(self) -> bool:
        return bool(self._calls) or not self._complete

    def take(self, topics: frozenset[str], listener: Listener) -> list[Frame]:
        """Return what to say on these topics, and begin anew."""
        frames: list[Frame] = []
        if self._calls and "calls" in topics:
            frames.append(self._rows(listener))
        if self._calls and "kpi" in topics:
            frames.append(self._sums())
        if not self._complete:
            frames.append({"type": "resync"})
        self.__init__(self._scope)  # type: ignore[misc]
        return frames

    def _rows(self, listener: Listener) -> Frame:
        zone = zone_of(listener.time_zone)
        with translation.override(listener.language), timezone.override(zone):
            rows = [feed_row(call, listener.slots) for call in reversed(self._newest)]
        return {"type": "calls", "count": self._calls, "rows": rows}

    def _sums(self) -> Frame:
        return {
            "type": "kpi",
            "calls": self._calls,
            "cost_usd": str(self._cost_usd),
            "tokens": self._tokens,
        }
