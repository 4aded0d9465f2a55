"""What this process counts itself, for when Redis cannot be asked.

It counts always, so that it knows the minute behind it when Redis goes away, and then
admits its share: the limit divided by the number of web processes.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm.limit import WINDOW_S, Asked, Buckets, Denial, Kind, Limit, Taken

_LEASE_FREES_S = 1.0  # nobody knows when a running call ends


class SlidingWindow:
    """A sum over the last minute, kept by the second."""

    __slots__ = ("_slots", "used")

    def __init__(self) -> None:
        self._slots: deque[list[int]] = deque()  # [second, amount], oldest first
        self.used = 0

    def catch_up(self, second: int) -> int:
        """Forget what is older than a minute; return the sum."""
        while self._slots and self._slots[0][0] < second - WINDOW_S:
            self.used -= self._slots.popleft()[1]
        return self.used

    def add(self, second: int, amount: int) -> None:
        """Count an amount in a second that is not before the newest."""
        slots = self._slots
        if slots and slots[-1][0] == second:
            slots[-1][1] += amount
        else:
            slots.append([second, amount])
        self.used += amount

    def take_back(self, second: int, amount: int) -> None:
        """Take an amount out of the second it was counted in, if that is still here."""
        for slot in reversed(self._slots):
            if slot[0] == second:
                taken = min(slot[1], amount)
                slot[1] -= taken
                self.used -= taken
                return

    def wait_s(self, second: int, excess: int) -> int:
        """Return in how many seconds so much of the sum will have gone."""
        for at, amount in self._slots:
            excess -= amount
            if excess <= 0:
                return at + WINDOW_S + 1 - second
        return WINDOW_S


@dataclass(slots=True)
class _Bucket:
    requests: SlidingWindow = field(default_factory=SlidingWindow)
    tokens: SlidingWindow = field(default_factory=SlidingWindow)
    running: set[str] = field(default_factory=set)
    # What other processes had counted, when Redis last said so.
    other_requests: int = 0
    other_tokens: int = 0
    seen_at: int = -WINDOW_S
    caught_up: int = -1

    def catch_up(self, second: int) -> None:
        self.caught_up = second
        self.requests.catch_up(second)
        self.tokens.catch_up(second)
        if second - self.seen_at >= WINDOW_S:
            self.other_requests = self.other_tokens = 0

    @property
    def idle(self) -> bool:
        return not (self.requests.used or self.tokens.used or self.running)


class LocalLimits:
    """The buckets of one process out of several; seconds are of any steady clock."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def check(self, asked: Asked, second: int) -> Denial | None:
        """Return what is in the way of admitting a call on our own."""
        denials = [
            denial
            for name, limit in asked.buckets
            for denial in self._denials(name, limit, asked, second)
        ]
        return max(denials, key=lambda each: each.retry_after_s, default=None)

    def take(self, asked: Asked, second: int) -> list[Taken]:
        """Count an admitted call; what each bucket says is of this process only."""
        return [self._take(name, limit, asked, second) for name, limit in asked.buckets]

    def undo(self, asked: Asked, second: int) -> None:
        """Take back what was counted for a call that was not admitted after all."""
        self.free(asked.buckets, asked.place)
        for name, limit in asked.buckets:
            if limit.has_window:
                bucket = self._bucket(name, second)
                bucket.requests.take_back(second, 1)
                bucket.tokens.take_back(second, limit.reserved(asked.tokens))

    def lend(self, buckets: Buckets, second: int, calls: int, tokens: int) -> None:
        """Count calls that were granted ahead."""
        for name, limit in buckets:
            if limit.has_window:
                bucket = self._bucket(name, second)
                bucket.requests.add(second, calls)
                if limit.tokens_per_minute is not None:
                    bucket.tokens.add(second, tokens)

    def take_back(self, buckets: Buckets, second: int, calls: int, tokens: int) -> None:
        """Take out what was granted ahead in a second and not used."""
        for name, limit in buckets:
            bucket = self._buckets.get(name)
            if bucket is not None and limit.has_window:
                bucket.requests.take_back(second, calls)
                if limit.tokens_per_minute is not None:
                    bucket.tokens.take_back(second, tokens)

    def saw(self, name: str, total: Taken, second: int) -> None:
        """Note what all processes have counted, by Redis' answer to an admission."""
        bucket = self._bucket(name, second)
        bucket.other_requests = total.requests - bucket.requests.used
        bucket.other_tokens = total.tokens - bucket.tokens.used
        bucket.seen_at = second

    def correct(self, name: str, beyond: int, *, counted_at: int, second: int) -> None:
        """Correct an estimate; beyond: tokens used more (or less) than it said."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return  # so long ago that it was swept
        if beyond < 0:
            bucket.tokens.take_back(counted_at, -beyond)
        elif beyond > 0:
            bucket.tokens.add(second, beyond)

    def free(self, buckets: Buckets, place: str) -> None:
        """Free the place of a call that is over."""
        for name, _ in buckets:
            bucket = self._buckets.get(name)
            if bucket is not None:
                bucket.running.discard(place)

    def sweep(self, second: int) -> None:
        """Forget buckets that nobody has used for a minute."""
        for bucket in self._buckets.values():
            bucket.catch_up(second)
        self._buckets = {
            name: bucket for name, bucket in self._buckets.items() if not bucket.idle
        }

    def _take(self, name: str, limit: Limit, asked: Asked, second: int) -> Taken:
        bucket = self._bucket(name, second)
        requests, tokens = bucket.requests, bucket.tokens
        if limit.has_window:
            requests.add(second, 1)
            tokens.add(second, limit.reserved(asked.tokens))
        if limit.concurrent is not None:
            bucket.running.add(asked.place)
        return Taken(second, requests.used, tokens.used)

    def _bucket(self, name: str, second: int) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket()
        if bucket.caught_up != second:
            bucket.catch_up(second)
        return bucket

    def _denials(
        self, name: str, limit: Limit, asked: Asked, second: int
    ) -> Iterator[Denial]:
        bucket = self._bucket(name, second)
        share = limit.share(self._processes)
        ours = share.reserved(asked.tokens)

        def in_the_way(
            kind: Kind, window: SlidingWindow, amount: int, others: int
        ) -> Iterator[Denial]:
            excess = max(
                window.used + amount - share.most(kind),
                window.used + max(0, others) + amount - limit.most(kind),
            )
            if excess > 0:
                yield Denial(name, limit, kind, window.wait_s(second, excess))

        if limit.requests_per_minute is not None:
            yield from in_the_way("requests", bucket.requests, 1, bucket.other_requests)
        if limit.tokens_per_minute is not None:
            yield from in_the_way("tokens", bucket.tokens, ours, bucket.other_tokens)
        if share.concurrent is not None and len(bucket.running) >= share.concurrent:
            yield Denial(name, limit, "concurrent", _LEASE_FREES_S)
