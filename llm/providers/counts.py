"""Counts in usage objects: what is one, and the whole they are parts of. Pure."""

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from costs.facts import Anomaly
from costs.pricing import Usage

# What an adapter makes of a usage object: None when it is missing, or is no usage.
ToldUsage = tuple[Usage | None, Anomaly]

# No context window is larger; a bigger count is nonsense.
MOST_TOKENS: Final = 20_000_000
NO_COUNT: Final = -1

_NOTHING: Final[Mapping[str, Any]] = {}


def is_count(value: Any) -> TypeGuard[int]:
    """Say whether a value counts tokens."""
    return type(value) is int and 0 <= value <= MOST_TOKENS


def count(usage: Mapping[str, Any], name: str) -> int:
    """Return one count; 0 when it is not there, NO_COUNT when it is none."""
    value = usage.get(name)
    if value is None:
        return 0
    return value if is_count(value) else NO_COUNT


def details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the counts inside of a usage object that stand below a name."""
    found = usage.get(name)
    return found if isinstance(found, dict) else _NOTHING


def inclusive(
    whole_input: int,
    whole_output: int,
    *,
    total: Any,
    cached: int,
    written: int,
    audio_in: int,
    audio_out: int,
    reasoning: int,
) -> tuple[Usage, Anomaly]:
    """Take the parts out of an input that includes them, and say what is odd.

    total: as it was told, or None. Parts that come to more than the whole: none of its
    tokens counts twice.
    """
    anomaly: Anomaly = ""
    if min(cached, written, audio_in, audio_out, reasoning) < 0:
        anomaly = "count_invalid"
        cached, written = max(0, cached), max(0, written)
        audio_in, audio_out = max(0, audio_in), max(0, audio_out)
        reasoning = max(0, reasoning)
    elif cached + written > whole_input:
        anomaly = "cached_above_input"
    elif audio_in > whole_input or audio_out > whole_output:
        anomaly = "audio_above_total"
    elif reasoning > whole_output:
        anomaly = "reasoning_above_output"
    elif total is not None and total != whole_input + whole_output:
        anomaly = "total_differs" if is_count(total) else "count_invalid"
    cached = min(cached, whole_input)
    written = min(written, whole_input - cached)
    audio_in = min(audio_in, whole_input - cached - written)
    audio_out = min(audio_out, whole_output)
    usage = Usage(
        input=whole_input - cached - written - audio_in,
        cache_read=cached,
        cache_write_5m=written,
        input_audio=audio_in,
        output=whole_output - audio_out,
        output_audio=audio_out,
        reasoning=min(reasoning, whole_output),
    )
    return usage, anomaly
