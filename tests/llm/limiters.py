"""Limiters as several web processes have them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from devora_ops.common.errors import RateLimited
from devora_ops.common.redis_line import RedisLine
from llm.gateway.limits import Admission, Limit, Limiter
from tests.own_redis import DEADLINE_S

owners = map(str, itertools.count())


class Web(Limiter):
    """What one web process has: a limiter with a line of its own."""

    def __init__(self, url: str, **options: float) -> None:
        self.line = RedisLine(url, timeout_s=DEADLINE_S)
        super().__init__(self.line, **options)  # type: ignore[arg-type]


Make = Callable[..., Awaitable[Web]]


async def admit(
    limiter: Limiter, limit: Limit, *, bucket: str = "key:a", tokens: int = 10
) -> Admission:
    """Admit a call of its own."""
    return await limiter.admit([(bucket, limit)], tokens=tokens, owner=next(owners))


async def admitted(limiter: Limiter, limit: Limit, times: int, **options: Any) -> int:
    """Return how many of so many calls at once are admitted."""
    answers = await asyncio.gather(
        *(admit(limiter, limit, **options) for _ in range(times)),
        return_exceptions=True,
    )
    assert all(isinstance(each, Admission | RateLimited) for each in answers)
    return sum(isinstance(each, Admission) for each in answers)
