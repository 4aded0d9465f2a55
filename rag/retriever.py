"""Find the passages of a corpus that answer a question; no Django on this path."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from devora_ops.common.errors import InvalidRequest, Unprocessable
from rag.embedders.protocol import Embedder, Vector
from rag.embedders.registry import embedder_named
from rag.snapshot import CorpusSnapshot
from rag.stores.memory import MemoryStore
from rag.stores.pgvector import PgvectorStore
from rag.stores.protocol import Connections, Filters, Passage, Store

Mode = Literal["vector", "lexical", "hybrid"]

MAX_TOP_K = 100
_REMEMBERED_QUERIES = 512


class Retriever:
    """Embeds queries and asks the store of their corpus."""

    def __init__(
        self,
        connections: Connections,
        embedders: Callable[[str], Embedder] = embedder_named,
    ) -> None:
        self._embedders = embedders
        self._stores: dict[str, Store] = {
            "pgvector": PgvectorStore(connections),
            "memory": MemoryStore(connections),
        }
        self._queries: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    async def search(
        self,
        corpus: CorpusSnapshot,
        query: str,
        *,
        top_k: int = 8,
        filters: Filters | None = None,
        mode: Mode = "vector",
    ) -> Sequence[Passage]:
        """Return up to top_k passages, best first.

        Raises InvalidRequest for a top_k out of range, Unprocessable for a mode that
        this corpus does not have, EmbedderUnavailable.
        """
        if not 1 <= top_k <= MAX_TOP_K:
            raise InvalidRequest(
                f"top_k is from 1 to {MAX_TOP_K}.", code="range", param="top_k"
            )
        if mode != "vector":
            raise Unprocessable(
                f"This corpus is searched by vector only, not {mode}.",
                code="mode_unavailable",
                param="mode",
            )
        vector = await self._embedded(corpus.embedder, query)
        store = self._stores[corpus.store]
        return await store.nearest(corpus, vector, top_k=top_k, filters=filters or {})

    async def _embedded(self, embedder: str, query: str) -> Vector:
        key = (embedder, query)
        vector = self._queries.get(key)
        if vector is None:
            # In a thread: it takes milliseconds of CPU, and loading takes seconds.
            model = self._embedders(embedder)
            vector = (await asyncio.to_thread(model.embed, [query]))[0]
            self._queries[key] = vector
        self._queries.move_to_end(key)
        if len(self._queries) > _REMEMBERED_QUERIES:
            self._queries.popitem(last=False)
        return vector
