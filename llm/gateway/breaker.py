"""A circuit breaker: a target that keeps failing is left alone for a while. Pure.

closed     calls pass; five failures in a row, or half of at least ten within ten
           seconds, open it
open       no call passes for five seconds
half-open  one call at a time passes as a probe; its success closes, its failure opens

Times are seconds of any clock that never goes back.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

State = Literal["closed", "open", "half_open"]

FAILURES_IN_A_ROW = 5
COOL_DOWN_S = 5.0
_WINDOW_S = 10.0
_LEAST_CALLS = 10
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; a probe's outcome decides for all."""

    probe: bool = False


_ORDINARY = Permit()


@dataclass(slots=True)
class Breaker:
    """The state of one target, as one process has seen it."""

    state: State = "closed"
    opened_at: float = 0.0
    _probe: Permit | None = None
    _probe_at: float = 0.0
    _in_a_row: int = 0
    _outcomes: deque[tuple[float, bool]] = field(default_factory=deque)

    def ask(self, now: float) -> Permit | None:
        """Return a permit for a call, or None while there is none to be had."""
        if self.state == "closed":
            return _ORDINARY
        if self.state == "open" and now - self.opened_at >= COOL_DOWN_S:
            self.state = "half_open"
        if self.state == "open" or self._is_probing(now):
            return None
        self._probe, self._probe_at = Permit(probe=True), now
        return self._probe

    def would_allow(self, now: float) -> bool:
        """Say whether `ask` would give a permit, without taking it."""
        if self.state == "closed":
            return True
        return not self._is_probing(now) and now - self.opened_at >= COOL_DOWN_S

    def _is_probing(self, now: float) -> bool:
        """Say whether a probe is out; a long one, a stream or a hang, lets others try."""
        return self._probe is not None and now - self._probe_at < COOL_DOWN_S

    def succeeded(self, permit: Permit, now: float) -> bool:
        """Take in a success; return whether it closed the breaker.

        A call that was under way when the breaker opened says nothing of now.
        """
        if permit.probe:
            was_closed = self.state == "closed"  # by a probe that was sent after it
            self.close()
            return not was_closed
        if self.state == "closed":
            self._in_a_row = 0
            self._note(now, failed=False)
        return False

    def failed(self, permit: Permit, now: float) -> bool:
        """Take in a failure; return whether it opened the breaker."""
        if permit.probe and permit is self._probe:
            self.open(now)
            return True
        if permit.probe or self.state != "closed":
            return False
        self._in_a_row += 1
        self._note(now, failed=True)
        if self._in_a_row >= FAILURES_IN_A_ROW or self._fails_mostly():
            self.open(now)
            return True
        return False

    def abandoned(self, permit: Permit) -> None:
        """Let the next call be the probe: this one was called off."""
        if permit is self._probe:
            self._probe = None

    def open(self, now: float) -> None:
        """Leave the target alone from now on."""
        self.state, self.opened_at, self._probe = "open", now, None

    def close(self) -> None:
        """Trust the target again."""
        self.state, self._probe, self._in_a_row = "closed", None, 0
        self._outcomes.clear()

    def _note(self, now: float, *, failed: bool) -> None:
        self._outcomes.append((now, failed))
        while self._outcomes and now - self._outcomes[0][0] > _WINDOW_S:
            self._outcomes.popleft()
        # Only failures are looked at, and only their share: bound what is kept.
        if len(self._outcomes) > 1000:
            self._outcomes.popleft()

    def _fails_mostly(self) -> bool:
        calls = len(self._outcomes)
        failures = sum(failed for _, failed in self._outcomes)
        return calls >= _LEAST_CALLS and failures >= _SHARE * calls
