"""The Anthropic wire format: where its messages are posted, and what they used."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from costs.facts import Anomaly
from costs.pricing import Usage
from llm.providers.counts import ToldUsage, count, details, is_count
from llm.snapshot import Upstream

# `input_tokens` counts only what no cache touched; OpenAI's `prompt_tokens` counts all.
INPUT_INCLUDES_CACHE = False

VERSION = "2023-06-01"


def messages_url(upstream: Upstream) -> str:
    """Return where messages are posted to, whether or not /v1 was typed."""
    base = upstream.base_url.rstrip("/").removesuffix("/v1")
    return f"{base}/v1/messages"


@lru_cache(maxsize=256)
def base_headers(upstream: Upstream) -> Mapping[str, str]:
    """Return the headers that every request to an upstream carries."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "devora-ops",
        "anthropic-version": VERSION,
    }
    if upstream.secret:
        headers["x-api-key"] = upstream.secret
    return headers


def read_usage(raw: Any) -> ToldUsage:
    """Normalise a usage object, and say what does not add up in it.

    `output_tokens` includes thinking. Cache writes are billed by how long they last: a
    total without its split is of five minutes, the lifetime a request gets by default.
    """
    if not isinstance(raw, Mapping):
        return None, "" if raw is None else "count_invalid"
    plain, output = raw.get("input_tokens"), raw.get("output_tokens", 0)
    if not (is_count(plain) and is_count(output)):
        return None, "count_invalid"
    read = count(raw, "cache_read_input_tokens")
    thinking = count(details(raw, "output_tokens_details"), "thinking_tokens")
    searches = count(details(raw, "server_tool_use"), "web_search_requests")
    short, long, anomaly = _cache_writes(raw)
    if min(read, thinking, searches) < 0:
        anomaly = "count_invalid"
    elif thinking > output:
        anomaly = anomaly or "reasoning_above_output"
    usage = Usage(
        input=plain,
        cache_read=max(0, read),
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
        reasoning=min(max(0, thinking), output),
        web_searches=max(0, searches),
    )
    return usage, anomaly


def region_of(raw: Any) -> str:
    """Return where inference ran; some models cost more in some regions."""
    region = raw.get("inference_geo") if isinstance(raw, Mapping) else None
    return region if isinstance(region, str) else ""


def merge_usage(earlier: Any, later: Any) -> dict[str, Any]:
    """Return the usage of a stream so far: its counts are cumulative, the last one wins.

    `message_delta` repeats only some fields of `message_start` and may send others as
    null, which says nothing.
    """
    merged = dict(earlier) if isinstance(earlier, Mapping) else {}
    if isinstance(later, Mapping):
        merged |= {name: value for name, value in later.items() if value is not None}
    return merged


def _cache_writes(raw: Mapping[str, Any]) -> tuple[int, int, Anomaly]:
    """Return the tokens written for five minutes and for an hour, and what is odd.

    When total and split disagree, the larger counts, so that no write goes unbilled;
    what only the total knows is of five minutes. A stream's last usage has the total
    alone, and it may have grown since the split that came with the first; no split can
    come to more than its total.
    """
    split = details(raw, "cache_creation")
    total = count(raw, "cache_creation_input_tokens")
    if not split:
        return max(0, total), 0, "count_invalid" if total < 0 else ""
    short = count(split, "ephemeral_5m_input_tokens")
    long = count(split, "ephemeral_1h_input_tokens")
    anomaly: Anomaly = ""
    if min(total, short, long) < 0:
        anomaly = "count_invalid"
        total, short, long = max(0, total), max(0, short), max(0, long)
    elif raw.get("cache_creation_input_tokens") is not None and short + long > total:
        anomaly = "writes_above_total"
    return short + max(0, total - short - long), long, anomaly
