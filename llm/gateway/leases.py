"""The places of running calls, which Redis keeps for a process while it is alive."""

import asyncio
from collections.abc import Iterable

from devora_ops.common.redis_line import RedisLine
from llm.gateway import limit_scripts
from llm.gateway.limit_questions import names
from llm.limit import Buckets, Limit

_LEASES_AT_ONCE = 200


class Leases:
    """The places that one process has taken. lease_s: how long they outlive it."""

    def __init__(self, line: RedisLine, lease_s: float) -> None:
        self.lease_ms = int(lease_s * 1000)
        self._line = line
        self._renew = line.script(limit_scripts.RENEW)
        self._places: dict[str, Buckets] = {}

    def take(self, place: str, buckets: Buckets) -> None:
        """Keep a place until it is forgotten or freed."""
        self._places[place] = buckets

    def forget(self, place: str) -> bool:
        """Renew a place no longer; say whether it was taken."""
        return self._places.pop(place, None) is not None

    def free(self, places: Iterable[str]) -> None:
        """Give places back to Redis."""
        for place in places:
            for leases in _leases(self._places.pop(place, ())):
                self._line.tell("ZREM", leases, place)

    async def renew(self) -> None:
        """Keep on renewing them, so that no running call's place runs out."""
        while True:
            await asyncio.sleep(self.lease_ms / 3000)
            taken = [
                (leases, place)
                for place, buckets in self._places.items()
                for leases in _leases(buckets)
            ]
            for i in range(0, len(taken), _LEASES_AT_ONCE):
                keys, places = zip(*taken[i : i + _LEASES_AT_ONCE], strict=True)
                self._renew.tell(keys, (self.lease_ms, *places))


def _leases(buckets: Iterable[tuple[str, Limit]]) -> list[str]:
    return [names(name)[1] for name, limit in buckets if limit.concurrent is not None]
