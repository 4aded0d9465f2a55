"""Wiring of what happens to a request that names a prompt: experiments, prompts, rag."""

from typing import Any

from devora_ops.common.errors import Unprocessable
from devora_ops.common.postgres import make_pool
from devora_ops.common.snapshots import Snapshot
from experiments.expansion import Expander
from experiments.runtime import experiments
from prompts.runtime import prompts
from rag.context import format_passages
from rag.retriever import Retriever
from rag.snapshot import corpora_snapshot

_CONTEXT_TOKENS = 4000


class Expansion:
    """The gateway's expand, the snapshots it reads and the pool it searches with."""

    def __init__(self, database_url: str) -> None:
        self._pool = make_pool(database_url, size=4)
        self._retriever = Retriever(self._pool)
        self._corpora = corpora_snapshot()
        versions, running = prompts(), experiments()
        self.snapshots: tuple[Snapshot[Any], ...] = (versions, running, self._corpora)
        self.expand = Expander(
            prompts=versions, experiments=running, retrieve=self._retrieve
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
        passages = await self._retriever.search(corpus, query, top_k=top_k)
        return format_passages(passages, max_tokens=_CONTEXT_TOKENS)
