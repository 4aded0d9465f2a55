"""What a process has been granted ahead, so that not every call has to ask Redis.

A bucket that is far from its limits lends a process some calls, tokens and places. Redis
has counted them as used, in the second it granted them, and they are good until that
second is over: so a minute never holds more than the limit. What is left of them is given
back. Near a limit nothing is lent, and every call is counted one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm.limit import Limit, Taken

# An eighth of what a second needs: so often a busy process asks, and so much at most lies
# idle in it.
_ASKS_A_SECOND = 8


@dataclass(slots=True)
class Allowance:
    """What is left of a grant; nothing once it is over.

    ends_at: on the loop's clock. places: how many may be idle. counted: what each bucket
    had counted when it was granted, without it.
    """

    ends_at: float
    calls: int
    tokens: int
    places: int
    counted: Sequence[Taken]
    remaining_requests: int | None = None
    remaining_tokens: int | None = None

    def joined_by(self, other: "Allowance") -> bool:
        """Take in a grant of the same second; False when it is of another."""
        if [each.second for each in other.counted] != [
            each.second for each in self.counted
        ]:
            return False
        self.calls += other.calls
        self.tokens += other.tokens
        self.places = other.places
        return True

    def take(self, tokens: int) -> None:
        """Use a call and some tokens of it."""
        self.calls -= 1
        self.tokens -= tokens
        self.remaining_requests = _less(self.remaining_requests, 1)
        self.remaining_tokens = _less(self.remaining_tokens, tokens)

    def correct(self, beyond: int) -> bool:
        """Take tokens that were used beyond an estimate, or put back what was not.

        False when there are not so many.
        """
        if beyond > self.tokens:
            return False
        self.tokens -= beyond
        self.remaining_tokens = _less(self.remaining_tokens, beyond)
        return True


@dataclass(slots=True)
class Account:
    """What one set of buckets is asked for here, and what it has lent.

    buckets: as the last call names them. idle: places of calls that are over, taken in Redis and free for the next.
    asking: whether a grant is under way.
    """

    buckets: Sequence[tuple[str, Limit]] = ()
    lent: Allowance | None = None
    idle: list[str] = field(default_factory=list)
    asking: bool = False
    _second: int = 0
    _calls: int = 0
    _tokens: int = 0
    _calls_before: int = 0

    def count(self, second: int, tokens: int) -> None:
        """Note a call, by which the next grant is measured."""
        if second != self._second:
            self._calls_before = self._calls if second == self._second + 1 else 0
            self._second, self._calls, self._tokens = second, 0, 0
        self._calls += 1
        self._tokens += tokens

    def wanted(self) -> tuple[int, int]:
        """Return how many calls and tokens to ask for ahead."""
        calls = max(self._calls, self._calls_before) // _ASKS_A_SECOND
        return calls, calls * self._tokens // self._calls

    def is_quiet(self, second: int) -> bool:
        """Say whether nothing has been asked of it for a while, and nothing is lent."""
        return second > self._second + 1 and not (self.lent or self.idle or self.asking)

    def lends(self, now: float, tokens: int, *, place: bool) -> Allowance | None:
        """Return the grant that a call can be served from. place: whether it needs one."""
        lent = self.lent
        if (
            lent is None
            or lent.ends_at <= now
            or not lent.calls
            or lent.tokens < tokens
        ):
            return None
        return None if place and not self.idle else lent

    def keeps(self, now: float, place: str) -> bool:
        """Keep the place of a call that is over for the next, where that is allowed."""
        lent = self.lent
        if lent is None or lent.ends_at <= now or len(self.idle) >= lent.places:
            return False
        self.idle.append(place)
        return True

    def granted(self, new: Allowance) -> Allowance | None:
        """Take a grant in; return the one that it replaces."""
        old = self.lent
        if old is not None and old.joined_by(new):
            return None
        self.lent = new
        return old

    def over(self, now: float) -> Allowance | None:
        """Return a grant whose time is over and forget it."""
        lent = self.lent
        if lent is None or lent.ends_at > now:
            return None
        self.lent = None
        return lent

    def superfluous(self) -> list[str]:
        """Return the idle places that may be kept no longer, and forget them."""
        most = self.lent.places if self.lent else 0
        self.idle, freed = self.idle[:most], self.idle[most:]
        return freed


def _less(left: int | None, used: int) -> int | None:
    return None if left is None else max(0, left - used)
