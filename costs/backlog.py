"""Those who wait for their hold, and whether one more may.

Queues are there to take bursts in, and a burst is over after a moment. When nobody has
been served quickly for a whole second, more comes in than goes out, and a long queue
makes every call late without serving one more; so it is kept short until it flows.

Source: Nichols and Jacobson, "Controlling Queue Delay" (ACM Queue, 2012): the least
wait of an interval tells a standing queue from a burst.
"""

import asyncio
import math
import time
from typing import Any

TARGET_S = 0.2
INTERVAL_S = 1.0
MOST = 1000
MOST_STANDING = 50


class Flow:
    """How long those waited who left. Pure; times are seconds of any one clock."""

    def __init__(self) -> None:
        self.stands = False
        self._least = math.inf
        self._until = -math.inf
        self._refused = False

    def left(self, waited_s: float, now: float) -> None:
        """Take in how long somebody waited who leaves the queue now."""
        if now >= self._until:
            self._judge(now)
        if waited_s < self._least:
            self._least = waited_s

    def admits(self, waiting: int, oldest_s: float) -> bool:
        """Say whether one more may wait behind so many, the oldest for so long."""
        stands = self.stands or oldest_s > INTERVAL_S
        if waiting < (MOST_STANDING if stands else MOST):
            return True
        self._refused = True
        return False

    def _judge(self, now: float) -> None:
        """Look back at an interval that is over, unless it was over long ago."""
        if now < self._until + INTERVAL_S:
            self.stands = self._least > TARGET_S or (self.stands and self._refused)
        else:
            self.stands = False
        self._least, self._refused = math.inf, False
        self._until = now + INTERVAL_S


class Backlog:
    """The futures that callers wait for, the oldest first.

    most_s: how long a caller can be kept.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._flow = Flow()

    def enter(self, future: "asyncio.Future[Any]") -> None:
        """Note that somebody begins to wait."""
        self._waiting[future] = time.monotonic()

    def leave(self, future: "asyncio.Future[Any]") -> None:
        """Note that he waits no more, whatever came of it."""
        now = time.monotonic()
        self._flow.left(now - self._waiting.pop(future), now)

    def has_room(self) -> bool:
        """Say whether one more would be served soon."""
        if len(self._waiting) < MOST_STANDING:
            return True
        oldest = next(iter(self._waiting.values()))
        return self._flow.admits(len(self._waiting), time.monotonic() - oldest)

    def expire(self) -> None:
        """Let nobody wait for longer than he can be kept.

        One look at all costs the calls nothing; a time-out of its own, each a tenth of
        what a hold takes.
        """
        late = time.monotonic() - self._most_s
        for future, since in list(self._waiting.items()):
            if since < late and not future.done():
                future.set_exception(TimeoutError("Postgres does not answer"))
