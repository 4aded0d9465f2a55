"""What the rollups add up to: sums, latencies and series, each by bucket."""

from collections import Counter
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

from costs.rollups import merge

OTHER: Final = "\0other"  # no name can hold NUL, so no name can be taken for it

Histogram = list[int]


@dataclass(frozen=True, slots=True)
class Sums:
    """What the calls of a period add up to; statuses: calls by how they ended."""

    statuses: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    saved_usd: Decimal = Decimal(0)
    unpriced: int = 0
    cacheable: int = 0
    scored: int = 0
    score_sum: Decimal = Decimal(0)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            **{
                f.name: getattr(self, f.name) + getattr(other, f.name)
                for f in fields(self)
            }
        )

    @property
    def calls(self) -> int:
        """Every call, refused ones included."""
        return sum(self.statuses.values())

    @property
    def served(self) -> int:
        """The calls that were not refused by a budget or a guardrail."""
        return self.calls - self.statuses["blocked"]

    @property
    def succeeded(self) -> int:
        """The calls that had an answer, from a model or the cache."""
        return self.statuses["ok"] + self.statuses["cached"]

    @property
    def retries(self) -> int:
        """The attempts beyond the first of each call that reached a provider."""
        return max(0, self.attempts - (self.served - self.statuses["cached"]))

    @property
    def quality_score(self) -> Decimal | None:
        """The mean score of the calls that somebody judged, 0 to 10."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a window, of the period before it and of each of its buckets."""

    previous: Sums
    buckets: tuple[Sums, ...]

    @property
    def current(self) -> Sums:
        """The sum of all buckets."""
        return sum(self.buckets, Sums())


@dataclass(frozen=True, slots=True)
class Latencies:
    """Merged latency histograms, shaped like Totals."""

    previous: Histogram
    buckets: tuple[Histogram, ...]

    @property
    def current(self) -> Histogram:
        """The histogram of all buckets."""
        return merge(self.buckets)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a stacked chart; OTHER as its key gathers the small ones."""

    key: str
    values: tuple[Decimal, ...]
    previous: Decimal

    @property
    def total(self) -> Decimal:
        """The sum over the window."""
        return sum(self.values, Decimal(0))
