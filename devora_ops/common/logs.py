"""What the log says of refusals and outages: one line, and not one a call."""

import logging
import math
import time
from collections.abc import Callable

_LONGEST = 200
_SELDOM_S = 30.0


def one_line(error: BaseException) -> str:
    """Return an error's words without line breaks, cut to what a line can bear."""
    return " ".join(str(error).split())[:_LONGEST]


class RefusalsOnOneLine(logging.Filter):
    """Drops the trace of what was answered by a 4xx: it is the caller's mistake.

    Django logs a bad Host, too many fields and its like with all of its own stack.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record; let every one through."""
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and status < 500:
            record.exc_info = record.exc_text = None
            record.msg, record.args = " ".join(record.getMessage().split()), ()
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class Seldom(logging.Filter):
    """Lets each of a library's sentences through twice a minute, whatever it names."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the sentence has not been heard for a while."""
        now, sentence = self._clock(), str(record.msg)
        if now - self._said_at.get(sentence, -math.inf) < _SELDOM_S:
            return False
        self._said_at[sentence] = now
        return True


class Replacements(logging.Filter):
    """Drops what a pool says of each dead connection that it replaces."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether it is about something else."""
        return not str(record.msg).startswith("discarding ")


class Outage:
    """Says once that something is away, and once that it is back.

    Every call finds out for itself, and a line from each would fill a disk with one
    fact. What comes and goes all the time is told of twice a minute.
    """

    def __init__(
        self,
        log: logging.Logger,
        what: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._log = log
        self._what = what
        self._is_away = self._is_said = False
        self._said_at = -math.inf

    def noticed(self, error: BaseException) -> None:
        """Take note of a failure."""
        if self._is_away:
            return
        self._is_away, now = True, self._clock()
        self._is_said = now - self._said_at >= _SELDOM_S
        if self._is_said:
            self._said_at = now
            reason = one_line(error) or type(error).__name__
            self._log.warning("%s is away: %s", self._what, reason)

    def over(self) -> None:
        """Take note that it goes well."""
        if self._is_away and self._is_said:
            self._log.warning("%s is back", self._what)
        self._is_away = False
