"""Wiring of what happens to a request that names a prompt: experiments, prompts, rag."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg

from devora_ops.common.errors import Unavailable, Unprocessable
from devora_ops.common.logs import Outage
from devora_ops.common.postgres import make_pool
from devora_ops.common.snapshots import Snapshot
from experiments.expansion import Expander
from experiments.exposures import Exposures
from experiments.runtime import experiments
from prompts.runtime import prompts
from rag.context import format_passages
from rag.retriever import Retriever
from rag.snapshot import corpora_snapshot

T = TypeVar("T")

log = logging.getLogger("[RAG]")

_CONTEXT_TOKENS = 4000
_SEARCH_TIMEOUT_S = 2.0


class Expansion:
    """The gateway's expand, the snapshots it reads and the pool it reads and writes with."""

    def __init__(self, database_url: str) -> None:
        self._pool = make_pool(database_url, size=4)
        self._retriever = Retriever(self._pool)
        self._corpora = corpora_snapshot()
        self._outage = Outage(log, "Postgres, which corpora are searched in,")
        versions, running = prompts(), experiments()
        self.snapshots: tuple[Snapshot[Any], ...] = (versions, running, self._corpora)
        self.expand = Expander(
            prompts=versions,
            experiments=running,
            retrieve=self._retrieve,
            expose=Exposures(self._pool),
        )

    async def start(self) -> None:
        """Open the pool, in the loop that uses it."""
        await self._pool.open()

    async def stop(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def _retrieve(self, slug: str, query: str, top_k: int) -> str:
        corpus = self._corpora.current.get(slug)
        if corpus is None:
            raise Unprocessable(
                f"The prompt names the corpus `{slug}`, which does not exist.",
                code="corpus_missing",
            )
        search = self._retriever.search(corpus, query, top_k=top_k)
        try:
            passages = await _within(_SEARCH_TIMEOUT_S, search)
        except (psycopg.Error, OSError) as error:
            self._outage.noticed(error)
            raise Unavailable("The corpus cannot be searched right now.") from error
        self._outage.over()
        return format_passages(passages, max_tokens=_CONTEXT_TOKENS)


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of some work, or raise TimeoutError and leave it behind.

    Unlike asyncio.timeout, it does not wait until the work has been called off: psycopg
    takes ten seconds over that when the server does not answer.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        task.add_done_callback(_forget)
        task.cancel()


def _forget(task: "asyncio.Task[Any]") -> None:
    """Look at what became of work that nobody waits for, so that asyncio need not."""
    if not task.cancelled():
        task.exception()
