"""What an attempt would cost at another price of its model. Pure.

An attempt is repriced only when its former cost follows, to the digit, from what is
stored of it and from the price that it was billed with. That decides what no column
says: which service tier and region it was served in, and how its cache writes split into
those of five minutes and of an hour, which is read out of the usage as reported. What
does not follow is left as it is, and counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from costs.pricing import Price, Usage, round_usd

Outcome = Literal["repriced", "same", "billed", "unknown", "unexplained", "no_price"]
OUTCOMES: tuple[Outcome, ...] = (
    "repriced",
    "same",
    "billed",
    "unknown",
    "unexplained",
    "no_price",
)


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """What the ledger keeps of an attempt that its cost depends on."""

    state: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    raw_usage: Mapping[str, Any] | None
    price_id: int | None
    cost_usd: Decimal | None
    book_usd: Decimal | None

    def usage(self) -> Usage:
        """Return its tokens: the columns, split by what its provider told."""
        raw = self.raw_usage or {}
        long = _count(raw, "cache_creation", "ephemeral_1h_input_tokens")
        long = min(long, self.cache_write_tokens)
        plain = self.input_tokens - self.cache_read_tokens - self.cache_write_tokens
        audio_in = min(_audio(raw, "prompt", "input"), plain)
        audio_out = min(_audio(raw, "completion", "output"), self.output_tokens)
        return Usage(
            input=plain - audio_in,
            cache_read=self.cache_read_tokens,
            cache_write_5m=self.cache_write_tokens - long,
            cache_write_1h=long,
            input_audio=audio_in,
            output=self.output_tokens - audio_out,
            output_audio=audio_out,
            web_searches=_count(raw, "server_tool_use", "web_search_requests"),
        )


def repriced(
    attempt: StoredAttempt, *, old: Price | None, new: Price | None
) -> tuple[Outcome, Decimal | None]:
    """Return what becomes of an attempt, and what it costs from then on, in nine places.

    old: the price that it was billed with; new: the one that the book has for its time.
    """
    cost = attempt.cost_usd
    if attempt.state == "unknown":
        return "unknown", cost
    if cost is not None and (attempt.book_usd is not None or attempt.price_id is None):
        return "billed", cost
    usage = attempt.usage()
    if not (usage.whole_input or usage.whole_output):
        return ("same", cost) if cost is not None else ("repriced", Decimal(0))
    if new is None:
        return "no_price", cost
    if cost is None:
        return "repriced", round_usd(_cost(new, usage, *_told(attempt)))
    if old is not None and old.id == new.id:
        return "same", cost
    served = old and next(_served(attempt, usage, old), None)
    if not served:
        return "unexplained", cost
    found = round_usd(_cost(new, usage, *served))
    return ("same" if found == cost else "repriced"), found


def _served(
    attempt: StoredAttempt, usage: Usage, price: Price
) -> Iterator[tuple[str, str]]:
    """Yield the tiers and regions in which it cost what it did, the told ones first."""
    tier, region = _told(attempt)
    for each_tier in (tier, "", *price.service_tiers):
        for each_region in (region, "", *price.regions):
            cost = _cost(price, usage, each_tier, each_region)
            if round_usd(cost) == attempt.cost_usd:
                yield each_tier, each_region


def _told(attempt: StoredAttempt) -> tuple[str, str]:
    raw = attempt.raw_usage or {}
    tier, region = raw.get("service_tier"), raw.get("inference_geo")
    return (
        tier if isinstance(tier, str) else "",
        region if isinstance(region, str) else "",
    )


def _cost(price: Price, usage: Usage, tier: str, region: str) -> Decimal:
    return price.cost(usage, service_tier=tier, region=region)


def _audio(raw: Mapping[str, Any], *sides: str) -> int:
    """Return the audio tokens of a side, which chat and Responses name each their way."""
    return max(_count(raw, f"{side}_tokens_details", "audio_tokens") for side in sides)


def _count(raw: Mapping[str, Any], part: str, name: str) -> int:
    """Return a count in a part of a usage; 0 for what is none."""
    found = raw.get(part)
    value = found.get(name) if isinstance(found, dict) else None
    return value if type(value) is int and 0 <= value <= 20_000_000 else 0
