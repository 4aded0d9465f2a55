"""The usage of OpenAI's Responses API: chat's counts under other names."""

from typing import Any

from llm.providers.counts import ToldUsage, count, details, inclusive, is_count

# `input_tokens` counts cache reads and writes too, unlike Anthropic's of that name.
INPUT_INCLUDES_CACHE = True


def read_usage(raw: Any) -> ToldUsage:
    """Normalise a usage object, and say what does not add up in it."""
    if not isinstance(raw, dict):
        return None, "" if raw is None else "count_invalid"
    input_, output = raw.get("input_tokens"), raw.get("output_tokens", 0)
    if not (is_count(input_) and is_count(output)):
        return None, "count_invalid"
    inputs = details(raw, "input_tokens_details")
    outputs = details(raw, "output_tokens_details")
    return inclusive(
        input_,
        output,
        total=raw.get("total_tokens"),
        cached=count(inputs, "cached_tokens"),
        written=count(inputs, "cache_write_tokens"),
        audio_in=count(inputs, "audio_tokens"),
        audio_out=count(outputs, "audio_tokens"),
        reasoning=count(outputs, "reasoning_tokens"),
    )
