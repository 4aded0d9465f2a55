"""Answers that may be given again: in this process first, then in Redis.

Nothing is ever invalidated: a key says everything that determines its answer, the
prompt version among it, so what is out of date is simply no longer asked for.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from devora_ops.common.fitting import fitted
from devora_ops.common.redis_line import RedisLine
from llm.gateway.byte_lru import ByteLru
from llm.gateway.cache_entry import Entry, decode, encode
from llm.gateway.flights import Flights

__all__ = ["CacheStore", "Entry"]

NEAR_BYTES = 64 << 20  # of answers in this process
_PREFIX = "devora:cache:"
_ENTRY_BYTES = 400  # an Entry's own fields, besides its texts
_MOST_BYTES = 1 << 20  # a bigger value would hold up what is behind it on the line


class Look(NamedTuple):
    """A look-up under way: what this process has, or what Redis was asked."""

    key: str
    max_age_s: float | None
    near: Entry | None = None
    asked: asyncio.Future[Any] | None = None


class CacheStore:
    """Keeps answers; identical calls at the same time meet in `flights`.

    clock: Unix time.
    """

    def __init__(
        self,
        line: RedisLine,
        *,
        max_bytes: int = NEAR_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._line = line
        self._clock = clock
        self._near: ByteLru[Entry] = ByteLru(max_bytes, weigh=_weight)
        self.flights = Flights()

    async def get(self, key: str, *, max_age_s: float | None = None) -> Entry | None:
        """Return the answer kept under a key, if it is young enough."""
        return await self.found(self.look(key, max_age_s))

    def look(self, key: str, max_age_s: float | None = None) -> "Look":
        """Begin to look for an answer that is young enough, for `found` to await."""
        near = self._near.get(key)
        if near is not None and near.serves(self._clock(), max_age_s):
            return Look(key, max_age_s, near)
        # What we have is too old, but another process may have made it anew.
        return Look(key, max_age_s, asked=self._line.call("GET", _PREFIX + key))

    async def found(self, look: "Look") -> Entry | None:
        """Return what a look came to.

        A Redis that is away, or a value that cannot be read, is a miss.
        """
        if look.asked is None:
            return look.near
        try:
            data = await look.asked
        except OSError:
            return None
        far = decode(data) if data else None
        if far is None or not far.serves(self._clock(), look.max_age_s):
            return None
        self._near.put(look.key, far)
        return far

    def keep(
        self,
        key: str,
        body: bytes,
        *,
        ttl_s: float,
        model: str,
        cost_usd: Decimal | None = None,
        call_id: str = "",
    ) -> Entry:
        """Keep an answer that was made just now; return it as it is kept."""
        now = self._clock()
        entry = Entry(fitted(body), now, now + ttl_s, cost_usd, model, call_id)
        self.put(key, entry)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an answer until it expires; Redis learns of it if it can."""
        ttl_ms = int((entry.expires_at - self._clock()) * 1000)
        if ttl_ms <= 0:
            return
        self._near.put(key, entry)
        if self._line.is_up and len(entry.body) <= _MOST_BYTES:
            self._line.tell("SET", _PREFIX + key, encode(entry), "PX", ttl_ms)


def _weight(entry: Entry) -> int:
    texts = len(entry.model) + len(entry.call_id)
    return len(entry.body) + texts + _ENTRY_BYTES
