"""Cached answers for tests."""

import time
from decimal import Decimal

from llm.gateway.cache_entry import Entry


def entry(body: bytes = b'{"a": 1}', *, age_s: float = 0, ttl_s: float = 60) -> Entry:
    """Return an answer that was made that long ago."""
    made_at = time.time() - age_s
    return Entry(
        body, made_at, made_at + ttl_s, Decimal("0.000123"), "openai/gpt-5.2", "call-1"
    )
