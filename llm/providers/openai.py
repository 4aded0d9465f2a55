"""The OpenAI wire format: OpenAI itself, OpenRouter, and every server that speaks it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from devora_ops.common.errors import InvalidRequest
from llm.providers.counts import ToldUsage, count, details, inclusive, is_count
from llm.snapshot import Upstream

# `prompt_tokens` counts cache reads and writes too; Anthropic's `input_tokens` does not.
INPUT_INCLUDES_CACHE = True


def chat_url(upstream: Upstream) -> str:
    """Return where chat completions are posted to, whether or not /v1 was typed."""
    return _url(upstream.base_url, upstream.kind, "chat/completions")


def responses_url(upstream: Upstream) -> str:
    """Return where responses are posted to."""
    return _url(upstream.base_url, upstream.kind, "responses")


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
    refuse_other_models(body, upstream)
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


def refuse_other_models(body: Mapping[str, Any], upstream: Upstream) -> None:
    """Refuse what has OpenRouter choose among models; raises InvalidRequest."""
    if upstream.kind != "openrouter":
        return
    for name in ("models", "route"):
        if name in body:
            raise InvalidRequest(
                f"`{name}` would be served at another model's price: make a route.",
                code="unknown_parameter",
                param=name,
            )


def output_limit(body: Mapping[str, Any]) -> int | None:
    """Return the most tokens one choice may have, as far as the request says."""
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(body.get(name), int):
            return int(body[name])
    return None


def read_usage(raw: Any) -> ToldUsage:
    """Normalise a usage object, and say what does not add up in it.

    `completion_tokens` includes reasoning; audio is a part of either side.
    """
    if not isinstance(raw, dict):
        return None, "" if raw is None else "count_invalid"
    prompt, completion = raw.get("prompt_tokens"), raw.get("completion_tokens", 0)
    if not (is_count(prompt) and is_count(completion)):
        return None, "count_invalid"
    inputs = details(raw, "prompt_tokens_details")
    outputs = details(raw, "completion_tokens_details")
    return inclusive(
        prompt,
        completion,
        total=raw.get("total_tokens"),
        cached=count(inputs, "cached_tokens"),
        written=count(inputs, "cache_write_tokens"),
        audio_in=count(inputs, "audio_tokens"),
        audio_out=count(outputs, "audio_tokens"),
        reasoning=count(outputs, "reasoning_tokens"),
    )
