"""The facts that the ledger takes in: who asked, what was tried, what it came to."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from costs.pricing import Usage

State = Literal["settled", "released", "unknown"]
Status = Literal["ok", "error", "timeout", "rate_limited", "blocked", "cached"]
# What is odd about a usage or a bill that a provider told; nothing, for nearly all.
Anomaly = Literal[
    "",
    "count_invalid",
    "total_differs",
    "cached_above_input",
    "writes_above_total",
    "audio_above_total",
    "reasoning_above_output",
    "usage_above_bounds",
    "bill_missing",
    "bill_invalid",
    "bill_above_bounds",
    "bill_differs",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The dimensions of a call: slugs and names, empty where there is none."""

    team: str = ""
    agent: str = ""
    end_user: str = ""
    key: str = ""
    prompt: str = ""
    prompt_version: int = 0
    experiment: str = ""
    variant: str = ""


# Attempts that came to nothing by the client's doing or by ours, and what a provider
# answers to a request that cannot be served.
_NOT_THEIRS = frozenset(
    {"client_gone", "shutting_down", "internal_error", "process_lost"}
)
_ASKED_WRONG = frozenset({400, 413, 422})


# Not frozen, although nobody changes a fact: a frozen one takes four times as long to
# make, on a path where every call makes two.
@dataclass(slots=True, kw_only=True)
class AttemptFact:
    """One upstream try that has ended.

    model: `provider/name`. cost_usd: rounded to nine places; None without a price.
    counters: the budget counters that its hold was taken from. route: the public name
    that was asked for, if it was one; probability: that its strategy chose this target.
    anomaly: what does not add up in raw_usage. book_usd: what the price book says of a
    cost that the provider told; None where cost_usd is from the book itself.
    """

    id: uuid.UUID
    call_id: uuid.UUID
    number: int
    who: Who
    provider: str
    model: str
    state: State
    settled_at: dt.datetime
    latency_ms: float
    usage: Usage = field(default_factory=Usage)
    raw_usage: Mapping[str, Any] | None = None
    price_id: int | None = None
    cost_usd: Decimal | None = None
    estimated: bool = False
    http_status: int | None = None
    error_code: str = ""
    ttft_ms: float | None = None
    counters: tuple[int, ...] = ()
    route: str = ""
    probability: float | None = None
    anomaly: Anomaly = ""
    book_usd: Decimal | None = None

    @property
    def provider_failed(self) -> bool:
        """Whether its provider is to blame: not who asked or left, nor we."""
        blameless = self.error_code in _NOT_THEIRS or self.http_status in _ASKED_WRONG
        return bool(self.error_code) and not blameless


@dataclass(slots=True, kw_only=True)
class CallFact:
    """One request of an agent as it was served, with the sums of its attempts.

    anomaly: that of the first attempt that has one. fingerprint: the same for calls that
    asked for the same; None where nobody took it.
    """

    id: uuid.UUID
    who: Who
    requested: str
    model: str
    status: Status
    http_status: int
    finished_at: dt.datetime
    latency_ms: float
    error_code: str = ""
    stream: bool = False
    cache: str = "off"
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    saved_usd: Decimal = Decimal(0)
    estimated: bool = False
    ttft_ms: float | None = None
    attempts: int = 0
    request_id: str = ""
    anomaly: Anomaly = ""
    fingerprint: int | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one call leaves behind: itself (once it has ended) and its ended attempts."""

    attempts: tuple[AttemptFact, ...] = ()
    call: CallFact | None = None
