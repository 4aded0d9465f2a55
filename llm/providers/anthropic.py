"""The Anthropic wire format: where its messages are posted, and what they used."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from costs.pricing import Usage
from llm.providers.openai import MOST_TOKENS
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


def read_usage(raw: Any) -> Usage | None:
    """Normalise a usage object; None when it is missing or is no usage.

    `output_tokens` includes thinking. Cache writes are billed by how long they last: a
    total without its split is of five minutes, the lifetime a request gets by default.
    """
    if not isinstance(raw, Mapping):
        return None
    plain, output = raw.get("input_tokens"), raw.get("output_tokens", 0)
    if not (_is_count(plain) and _is_count(output)):
        return None
    short, long = _cache_writes(raw)
    thinking = _count(_part(raw, "output_tokens_details"), "thinking_tokens")
    return Usage(
        input=plain,
        cache_read=_count(raw, "cache_read_input_tokens"),
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
        reasoning=min(thinking, output),
        web_searches=_count(_part(raw, "server_tool_use"), "web_search_requests"),
    )


def merge_usage(earlier: Any, later: Any) -> dict[str, Any]:
    """Return the usage of a stream so far: its counts are cumulative, the last one wins.

    `message_delta` repeats only some fields of `message_start` and may send others as
    null, which says nothing.
    """
    merged = dict(earlier) if isinstance(earlier, Mapping) else {}
    if isinstance(later, Mapping):
        merged |= {name: value for name, value in later.items() if value is not None}
    return merged


def _cache_writes(raw: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens written for five minutes and for an hour.

    When total and split disagree, the larger counts, so that no write goes unbilled;
    what only the total knows is of five minutes. A stream's last usage has the total
    alone, beside the split that came with its first.
    """
    split = _part(raw, "cache_creation")
    short = _count(split, "ephemeral_5m_input_tokens")
    long = _count(split, "ephemeral_1h_input_tokens")
    unsplit = _count(raw, "cache_creation_input_tokens") - short - long
    return short + max(0, unsplit), long


def _part(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = raw.get(name)
    return part if isinstance(part, Mapping) else {}


def _count(part: Mapping[str, Any], name: str) -> int:
    value = part.get(name)
    return value if _is_count(value) else 0


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MOST_TOKENS
