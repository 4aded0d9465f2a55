"""What a process has been granted ahead, so that not every call has to ask Redis.

Buckets that are far from their limits lend a process some calls, tokens and places. Redis
has counted them as used in the second it granted them, and they are good until that
second is over: so a minute never holds more than the limit. What is left of them is given
back. Near a limit nothing is lent, and every call is counted one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm.limit import Buckets, Taken

# An eighth of what a second needs: so often a busy process asks, and so much at most lies
# idle in it.
_ASKS_A_SECOND = 8


@dataclass(slots=True)
class Allowance:
    """What is left of a grant; nothing once it is over.

    ends_at: on the loop's clock. counted: what Redis had counted in each bucket, without
    it; counted_at: the second in which this process counted it. places: how many may be
    idle. requests_besides, tokens_besides: what the tightest bucket has left without it;
    None without limit.
    """

    ends_at: float
    counted_at: int
    counted: Sequence[Taken]
    calls: int
    tokens: int
    places: int
    requests_besides: int | None = None
    tokens_besides: int | None = None

    def joined_by(self, other: "Allowance") -> bool:
        """Take in a grant of the same second; False when it is of another."""
        if self.counted_at != other.counted_at or [
            each.second for each in self.counted
        ] != [each.second for each in other.counted]:
            return False
        self.calls += other.calls
        self.tokens += other.tokens
        self.places = other.places
        self.requests_besides = other.requests_besides
        self.tokens_besides = other.tokens_besides
        return True

    @property
    def remaining_requests(self) -> int | None:
        """How many calls the tightest bucket has left."""
        besides = self.requests_besides
        return None if besides is None else besides + self.calls

    @property
    def remaining_tokens(self) -> int | None:
        """How many tokens the tightest bucket has left."""
        besides = self.tokens_besides
        return None if besides is None else besides + self.tokens


@dataclass(slots=True)
class Account:
    """What one set of buckets is asked for here, and what it has lent.

    buckets: as the last call names them. idle: places of calls that are over, taken in
    Redis and free for the next. asking: whether a grant is under way.
    """

    buckets: Buckets = ()
    limits_tokens: bool = False
    limits_places: bool = False
    lent: Allowance | None = None
    idle: list[str] = field(default_factory=list)
    asking: bool = False
    _second: int = 0
    _calls: int = 0
    _tokens: int = 0
    _calls_before: int = 0

    def count(self, buckets: Buckets, tokens: int, second: int) -> None:
        """Note a call, by which the next grant is measured."""
        if buckets is not self.buckets:
            limits = [limit for _, limit in buckets]
            self.buckets = buckets
            self.limits_tokens = any(
                each.tokens_per_minute is not None for each in limits
            )
            self.limits_places = any(each.concurrent is not None for each in limits)
        if second != self._second:
            self._calls_before = self._calls if second == self._second + 1 else 0
            self._second, self._calls, self._tokens = second, 0, 0
        self._calls += 1
        self._tokens += self.room(tokens)

    def room(self, tokens: int) -> int:
        """Return the tokens to set aside for an estimate."""
        return (tokens or 1) if self.limits_tokens else 0

    def wanted(self) -> tuple[int, int]:
        """Return how many calls and tokens to ask for ahead."""
        calls = max(self._calls, self._calls_before) // _ASKS_A_SECOND
        return calls, calls * self._tokens // self._calls

    def is_quiet(self, second: int) -> bool:
        """Say whether nothing has been asked of it for a while, and nothing is lent."""
        return second > self._second + 1 and not (self.lent or self.idle or self.asking)

    def lend(self, tokens: int, now: float) -> Allowance | None:
        """Return the grant that a call is served from; None when it has to ask."""
        lent = self.lent
        if lent is None or lent.ends_at <= now or not lent.calls:
            return None
        room = self.room(tokens)
        if lent.tokens < room or (self.limits_places and not self.idle):
            return None
        lent.calls -= 1
        lent.tokens -= room
        return lent

    def corrects(self, lent: Allowance, tokens: int, used: int, now: float) -> bool:
        """Correct a call's estimate within the grant it was served from.

        False when that is over, or has not as much as was used beyond.
        """
        beyond = used - self.room(tokens) if self.limits_tokens else 0
        if lent is not self.lent or lent.ends_at <= now or beyond > lent.tokens:
            return False
        lent.tokens -= beyond
        return True

    def keeps(self, place: str, now: float) -> bool:
        """Keep the place of a call that is over for the next, where that is allowed."""
        lent = self.lent
        if not self.limits_places or lent is None or lent.ends_at <= now:
            return False
        if len(self.idle) >= lent.places:
            return False
        self.idle.append(place)
        return True

    def grant(self, new: Allowance) -> Allowance | None:
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
