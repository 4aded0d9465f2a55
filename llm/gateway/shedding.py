"""Refusing at once what would only wait: an overloaded process serves what it can.

A call sets its money aside before it leaves, so calls that wait for that are the queue
of a process, whether it waits for the processor or for Postgres.
"""

import logging
import time

from costs.ledger import Ledger
from devora_ops.common.errors import Unavailable
from llm.gateway.metrics import Metrics

log = logging.getLogger("[LLM]")

_QUIET_S = 10.0


class Gate:
    """Lets calls in while there is room in the queue."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._said_at = -_QUIET_S

    def check(self) -> None:
        """Raise Unavailable when the queue is full; before a key costs a look."""
        if self._ledger.has_room():
            return
        self._metrics.shed()
        now = time.monotonic()
        if now - self._said_at >= _QUIET_S:
            log.warning("more calls come than can be served: refusing some")
            self._said_at = now
        raise Unavailable(
            "More calls wait than can be served soon.",
            code="overloaded",
            headers={"Retry-After": "1", "x-should-retry": "true"},
        )
