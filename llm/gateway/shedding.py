"""Refusing at once what would only wait: an overloaded process serves what it can.

Calls queue at three places: before the event loop, for the processor; before the ledger,
for the money that each sets aside before it leaves; and behind it, until they are settled.
"""

import logging
import time

from costs.ledger import Ledger
from devora_ops.common.errors import Unavailable
from llm.gateway.metrics import Metrics
from llm.gateway.pulse import Pulse

log = logging.getLogger("[LLM]")

_QUIET_S = 10.0
_OVERLOADED = Unavailable(
    "More calls wait than can be served soon.",
    code="overloaded",
    headers={"Retry-After": "1", "x-should-retry": "true"},
)


class Gate:
    """Lets calls in while there is room in the queues."""

    def __init__(self, pulse: Pulse, ledger: Ledger, metrics: Metrics) -> None:
        self._pulse = pulse
        self._ledger = ledger
        self._metrics = metrics
        self._said_at = -_QUIET_S

    def is_closed(self) -> bool:
        """Say whether one more caller would be refused."""
        return not (self._ledger.has_room() and self._pulse.has_room())

    def refusal(self) -> Unavailable | None:
        """Return what one more caller is told, or None and count him in."""
        if not self.is_closed():
            self._pulse.begin()
            return None
        self._metrics.shed()
        now = time.monotonic()
        if now - self._said_at >= _QUIET_S:
            log.warning("more calls come than can be served: refusing some")
            self._said_at = now
        return _OVERLOADED
