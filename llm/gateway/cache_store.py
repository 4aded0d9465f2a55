"""Answers that may be given again: in this process first, then in Redis.

Nothing is ever invalidated: a key says everything that determines its answer, the
prompt version among it, so what is out of date is simply no longer asked for.
"""

import time
from collections.abc import Callable

from devora_ops.common.redis_line import RedisLine
from llm.gateway.byte_lru import ByteLru
from llm.gateway.cache_entry import Entry, decode, encode
from llm.gateway.flights import Flights

__all__ = ["CacheStore", "Entry"]

_PREFIX = "devora:cache:"
_ENTRY_BYTES = 400  # an Entry's own fields, besides its texts
_MOST_BYTES = 1 << 20  # a bigger value would hold up what is behind it on the line


class CacheStore:
    """Keeps answers; identical calls at the same time meet in `flights`.

    clock: Unix time.
    """

    def __init__(
        self,
        line: RedisLine,
        *,
        max_bytes: int = 64 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._line = line
        self._clock = clock
        self._near: ByteLru[Entry] = ByteLru(max_bytes, weigh=_weight)
        self.flights = Flights()

    async def get(self, key: str, *, max_age_s: float | None = None) -> Entry | None:
        """Return the answer kept under a key, if it is young enough.

        A Redis that is away, or a value that cannot be read, is a miss.
        """
        now = self._clock()
        near = self._near.get(key)
        if near is not None and near.serves(now, max_age_s):
            return near
        # What we have is too old, but another process may have made it anew.
        far = await self._fetch(key)
        if far is None or not far.serves(self._clock(), max_age_s):
            return None
        self._near.put(key, far)
        return far

    def put(self, key: str, entry: Entry) -> None:
        """Keep an answer until it expires; Redis learns of it if it can."""
        ttl_ms = int((entry.expires_at - self._clock()) * 1000)
        if ttl_ms <= 0:
            return
        self._near.put(key, entry)
        if self._line.is_up and len(entry.body) <= _MOST_BYTES:
            self._line.tell("SET", _PREFIX + key, encode(entry), "PX", ttl_ms)

    async def _fetch(self, key: str) -> Entry | None:
        try:
            data = await self._line.call("GET", _PREFIX + key)
        except OSError:
            return None
        return decode(data) if data else None


def _weight(entry: Entry) -> int:
    texts = len(entry.model) + len(entry.call_id)
    return len(entry.body) + texts + _ENTRY_BYTES
