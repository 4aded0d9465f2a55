"""What a limit is, what asks for room under it, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["requests", "tokens", "concurrent"]

WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of each in any minute, or at once; None is without limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None

    @property
    def limits(self) -> bool:
        """Whether it limits anything."""
        return not (
            self.requests_per_minute is None
            and self.tokens_per_minute is None
            and self.concurrent is None
        )

    @property
    def has_window(self) -> bool:
        """Whether it counts over a minute."""
        return not (self.requests_per_minute is None and self.tokens_per_minute is None)

    def most(self, kind: Kind) -> int:
        """Return the limit of one kind, which there must be."""
        found = {
            "requests": self.requests_per_minute,
            "tokens": self.tokens_per_minute,
            "concurrent": self.concurrent,
        }[kind]
        assert found is not None
        return found

    def reserved(self, tokens: int) -> int:
        """Return how many tokens an estimate sets aside.

        At most all of them: what is dearer than a whole minute waits for an empty one
        instead of for ever.
        """
        most = self.tokens_per_minute
        if most is None:
            return 0
        return (tokens if tokens < most else most) or 1

    def share(self, processes: int) -> "Limit":
        """Return what one of several processes may admit on its own, at least one."""

        def part(most: int | None) -> int | None:
            return most and max(1, most // processes)

        return Limit(
            part(self.requests_per_minute),
            part(self.tokens_per_minute),
            part(self.concurrent),
        )


Buckets = Sequence[tuple[str, Limit]]  # names such as `key:abc`, each with its limit


class Asked(NamedTuple):
    """One call that asks for room in all its buckets or in none.

    place: its name among those that run.
    """

    buckets: Buckets
    tokens: int
    place: str


@dataclass(frozen=True, slots=True)
class Denial:
    """The limit in the way, and when there is room again as far as one can tell."""

    bucket: str
    limit: Limit
    kind: Kind
    retry_after_s: float


class Taken(NamedTuple):
    """What one bucket has counted in the minute that ends now, this call included.

    second: of which clock is up to whoever counted.
    """

    second: int
    requests: int
    tokens: int
