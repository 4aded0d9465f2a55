"""Agents of both kinds, and a way to call either from one test."""

import asyncio
from collections.abc import Sequence
from typing import Any

from devora_ops.client import AsyncEnhancedBaseAgent, EnhancedBaseAgent, Passage
from tests.client.gateway import Gateway


class Talker(EnhancedBaseAgent):
    model = "smart"


class Support(EnhancedBaseAgent):
    prompt = "support"


class AsyncTalker(AsyncEnhancedBaseAgent):
    model = "smart"


class AsyncSupport(AsyncEnhancedBaseAgent):
    prompt = "support"


class Notes:
    """A retriever of one's own."""

    def __init__(self, *passages: Passage) -> None:
        self.passages = passages
        self.asked: list[tuple[str, int]] = []

    def retrieve(self, query: str, top_k: int) -> Sequence[Passage]:
        self.asked.append((query, top_k))
        return self.passages


class AsyncNotes(Notes):
    async def retrieve(self, query: str, top_k: int) -> Sequence[Passage]:  # type: ignore[override]
        return super().retrieve(query, top_k)


class SyncHouse:
    """Calls a method of an agent by its name."""

    talker, support, notes = Talker, Support, Notes

    def __call__(self, agent: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(agent, method)(*args, **kwargs)

    def client(self, gateway: Gateway) -> Any:
        return gateway.client()


class AsyncHouse:
    """Calls the same method of the agent's twin, awaited."""

    talker, support, notes = AsyncTalker, AsyncSupport, AsyncNotes

    def __call__(self, agent: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            return await getattr(agent, method)(*args, **kwargs)

        return asyncio.run(call())

    def client(self, gateway: Gateway) -> Any:
        return gateway.async_client()
