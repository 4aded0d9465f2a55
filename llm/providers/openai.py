"""The OpenAI wire format: OpenAI itself, OpenRouter, and every server that speaks it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from costs.pricing import Usage
from llm.snapshot import Upstream

# `prompt_tokens` counts cache reads and writes too; Anthropic's `input_tokens` does not.
INPUT_INCLUDES_CACHE = True

MOST_TOKENS = 20_000_000  # no context window is larger; a bigger count is nonsense


def chat_url(upstream: Upstream) -> str:
    """Return where chat completions are posted to, whether or not /v1 was typed."""
    return _url(upstream.base_url, upstream.kind, "chat/completions")


def embeddings_url(upstream: Upstream) -> str:
    """Return where embeddings are posted to."""
    return _url(upstream.base_url, upstream.kind, "embeddings")


@lru_cache(maxsize=256)
def _url(base_url: str, kind: str, path: str) -> str:
    base = base_url.rstrip("/")
    if kind == "openai" and not base.endswith("/v1"):
        base += "/v1"
    return f"{base}/{path}"


@lru_cache(maxsize=256)
def base_headers(upstream: Upstream) -> Mapping[str, str]:
    """Return the headers that every request to an upstream carries."""
    headers = {"Content-Type": "application/json", "User-Agent": "devora-ops"}
    if upstream.secret:
        headers["Authorization"] = f"Bearer {upstream.secret}"
    return headers


def prepare(
    body: Mapping[str, Any], upstream: Upstream, *, model: str, max_tokens: int
) -> dict[str, Any]:
    """Return the body as the upstream gets it, bounded and metered.

    max_tokens: injected when the request names none, because what is not bounded
    cannot be held for.
    """
    prepared = {**body, "model": model}
    if output_limit(body) is None:
        # OpenAI's newer models refuse the old name, other servers the new one.
        name = "max_completion_tokens" if upstream.kind == "openai" else "max_tokens"
        prepared[name] = max_tokens
    if body.get("stream"):
        # Without the usage chunk a stream could only be billed by estimate.
        options = body.get("stream_options") or {}
        prepared["stream_options"] = {**options, "include_usage": True}
    return prepared


def output_limit(body: Mapping[str, Any]) -> int | None:
    """Return the most tokens one choice may have, as far as the request says."""
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(body.get(name), int):
            return int(body[name])
    return None


def read_usage(raw: Any) -> Usage | None:
    """Normalise a usage object; None when it is missing or is no usage.

    `prompt_tokens` includes cached tokens and cache writes, `completion_tokens`
    includes reasoning; audio is a part of either.
    """
    if not isinstance(raw, dict):
        return None
    prompt, completion = raw.get("prompt_tokens"), raw.get("completion_tokens", 0)
    if not (_is_count(prompt) and _is_count(completion)):
        return None
    inputs = _details(raw, "prompt_tokens_details")
    outputs = _details(raw, "completion_tokens_details")
    cached, written = (
        _count(inputs, "cached_tokens"),
        _count(inputs, "cache_write_tokens"),
    )
    audio_in, audio_out = (
        _count(inputs, "audio_tokens"),
        _count(outputs, "audio_tokens"),
    )
    # Parts that come to more than the whole: none of its tokens counts twice.
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    audio_in = min(audio_in, prompt - cached - written)
    return Usage(
        input=prompt - cached - written - audio_in,
        cache_read=cached,
        cache_write_5m=written,
        input_audio=audio_in,
        output=max(0, completion - audio_out),
        output_audio=min(audio_out, completion),
        reasoning=_count(outputs, "reasoning_tokens"),
    )


def _details(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = raw.get(name)
    return details if isinstance(details, dict) else {}


def _count(details: Mapping[str, Any], name: str) -> int:
    value = details.get(name)
    return value if _is_count(value) else 0


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MOST_TOKENS
