"""One request while it is served, and the fact it becomes."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from costs.facts import Anomaly, AttemptFact, CallFact, Status, Who
from costs.pricing import Usage
from devora_ops.common.ids import uuid7
from llm.gateway.codecs.protocol import Reading
from llm.gateway.codecs.whole import Collector
from llm.gateway.formats import Format
from llm.gateway.limits import Admission
from llm.snapshot import Key

# On the wire a name, in the fact a status: what is not listed is an error.
_STATUSES: Mapping[int, Status] = {402: "blocked", 429: "rate_limited", 504: "timeout"}

_BUDGET_STEP = b"x-devora-budget-step"


@dataclass(slots=True)
class Call:
    """What is known of a request so far. id_text: its id as it is written.

    size: its body's bytes, pictures and what its prompt added included. budget_step: what
    a budget did to it, as its header says it; empty mostly.
    """

    key: Key
    request_id: str
    format: Format
    id: uuid.UUID = field(default_factory=uuid7)
    id_text: str = field(init=False)
    began: float = field(default_factory=time.perf_counter)
    requested: str = ""
    stream: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    who: Who = field(init=False)
    model: str = ""
    attempts: list[AttemptFact] = field(default_factory=list)
    unposted: list[AttemptFact] = field(default_factory=list)
    tried: int = 0
    route: str = ""
    probability: float | None = 1.0
    ended: bool = False
    ttft_ms: float | None = None
    client_gone: bool = False
    admission: Admission | None = None
    cache: str = "off"
    saved_usd: Decimal = Decimal(0)
    answer: Reading | None = None
    collector: Collector | None = None
    anomaly: Anomaly = ""
    budget_step: str = ""
    size: int = 0
    fingerprint: int | None = None

    def __post_init__(self) -> None:
        """Name who calls, so that a refusal is somebody's too."""
        self.who = self.key.who
        self.id_text = str(self.id)

    @property
    def is_embedding(self) -> bool:
        """Whether its answer would fit no other model's index."""
        return self.format.name == "embeddings"

    async def admitted(self) -> None:
        """Wait until the limits have room for the call; raises RateLimited."""
        if self.admission is not None:
            await self.admission.granted()

    def log_fields(self) -> Mapping[str, Any]:
        """Return what a line says that is logged while the call is served."""
        return {
            "request_id": self.request_id,
            "call_id": self.id_text,
            "agent": self.who.agent,
        }

    def elapsed_ms(self) -> float:
        """Return how long ago the request arrived."""
        return (time.perf_counter() - self.began) * 1000

    def first_byte(self) -> None:
        """Note that a stream begins to leave."""
        if self.ttft_ms is None:
            self.ttft_ms = self.elapsed_ms()

    @property
    def cost_usd(self) -> Decimal | None:
        """The sum over its attempts; None while none of them has a price."""
        known = [a.cost_usd for a in self.attempts if a.cost_usd is not None]
        if len(known) == 1:
            return known[0]
        if not known:
            return None if self.attempts else Decimal(0)
        return sum(known, Decimal(0))

    @property
    def tokens(self) -> int:
        """The tokens that went in and came out, over all attempts."""
        return sum(a.usage.whole_input + a.usage.whole_output for a in self.attempts)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what every answer says of its call; a stream tells its cost later."""
        asked = self.request_id.encode()
        theirs = self.format.request_id_header
        return [
            (b"x-request-id", asked),
            *([(theirs, asked)] if theirs else []),
            (b"x-devora-call-id", self.id_text.encode()),
            (b"x-devora-cache", self.cache.encode()),
            (b"x-devora-model", self.model.encode("ascii", "replace")),
            (b"x-devora-attempts", str(self.tried).encode()),
            *([(_BUDGET_STEP, self.budget_step.encode())] if self.budget_step else ()),
            *(self._room() if self.admission else ()),
        ]

    def _room(self) -> Iterator[tuple[bytes, bytes]]:
        assert self.admission is not None
        requests = self.admission.remaining_requests
        if requests is not None:
            yield b"x-ratelimit-remaining-requests", str(requests).encode()
        tokens = self.admission.remaining_tokens
        if tokens is not None:
            yield b"x-ratelimit-remaining-tokens", str(tokens).encode()

    def cost_header(self) -> list[tuple[bytes, bytes]]:
        """Return the cost, unless it is not known."""
        cost = self.cost_usd
        return [] if cost is None else [(b"x-devora-cost-usd", usd(cost).encode())]

    def add(self, attempt: AttemptFact) -> None:
        """Take in an attempt that has ended."""
        self.attempts.append(attempt)
        self.unposted.append(attempt)
        self.anomaly = self.anomaly or attempt.anomaly

    def _status(self, http_status: int, error_code: str) -> Status:
        if error_code:
            return _STATUSES.get(http_status, "error")
        return "cached" if self.cache == "hit" else "ok"

    def take_unposted(self) -> tuple[AttemptFact, ...]:
        """Return the attempts that the ledger has not been given yet."""
        taken, self.unposted = tuple(self.unposted), []
        return taken

    def fact(
        self, http_status: int, *, error_code: str = "", now: dt.datetime
    ) -> CallFact:
        """Return the call as it ended."""
        last = self.attempts[-1] if self.attempts else None
        return CallFact(
            id=self.id,
            who=self.who,
            requested=self.requested,
            model=self.model,
            status=self._status(http_status, error_code),
            http_status=http_status,
            finished_at=now,
            latency_ms=self.elapsed_ms(),
            error_code=error_code,
            stream=self.stream,
            cache=self.cache,
            saved_usd=self.saved_usd,
            usage=last.usage if last else Usage(),
            cost_usd=self.cost_usd,
            estimated=any(each.estimated for each in self.attempts),
            ttft_ms=self.ttft_ms,
            attempts=len(self.attempts),
            request_id=self.request_id,
            anomaly=self.anomaly,
            fingerprint=self.fingerprint,
        )


def usd(amount: Decimal) -> str:
    """Write an amount without exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
