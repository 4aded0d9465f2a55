"""Usage in either format, by way of the one that costs are computed from.

What is billed is read from the provider's own numbers; these are what the client sees.
"""

from typing import Any

from llm.providers import anthropic, openai


def to_chat(raw: Any) -> dict[str, Any] | None:
    """Return a message's usage as a completion's; None when it has none.

    prompt_tokens includes what was read from the cache and written to it.
    """
    usage, _ = anthropic.read_usage(raw)
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.whole_input,
        "completion_tokens": usage.whole_output,
        "total_tokens": usage.whole_input + usage.whole_output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def to_messages(raw: Any) -> dict[str, Any]:
    """Return a completion's usage as a message's; zeros when it has none.

    input_tokens leaves out what was read from the cache or written to it.
    """
    usage, _ = openai.read_usage(raw)
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": usage.input + usage.input_audio,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m,
        "output_tokens": usage.whole_output,
        "output_tokens_details": {
            "thinking_tokens": min(usage.reasoning, usage.whole_output)
        },
    }
