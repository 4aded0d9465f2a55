"""Searching inside Postgres: approximate by HNSW, exact where that is cheap or needed."""

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from devora_ops.common.postgres import Connection
from rag.embedders.protocol import Vector
from rag.snapshot import CorpusSnapshot
from rag.stores.protocol import Connections, Filters, Passage, by_vector

# An index scan goes on until enough of what it finds passes the filter (pgvector 0.8);
# without that it stops at ef_search candidates, whatever their corpus.
_SETTINGS = """
SELECT set_config('hnsw.iterative_scan', 'strict_order', true),
       set_config('hnsw.ef_search', %s, true)
"""
_EF_SEARCH = 100

_PASSAGES = """
SELECT d.external_id, d.title, c.position, c.heading, c.text, c.token_count,
       1 - (c.embedding::halfvec({dimension}) <=> %(query)s::halfvec({dimension}))
FROM rag_chunk AS c
JOIN rag_document AS d ON d.id = c.document_id AND d.served_revision = c.revision
WHERE c.corpus_id = %(corpus)s AND vector_dims(c.embedding) = {dimension}
    AND d.metadata @> %(filters)s
ORDER BY (c.embedding::halfvec({dimension}) <=> %(query)s::halfvec({dimension})) {exactly}
LIMIT %(top_k)s
"""
# No index is on a sum, so this computes and sorts every distance.
_EXACTLY = "+ 0"


class PgvectorStore:
    """Searches the chunks where they are kept."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def nearest(
        self, corpus: CorpusSnapshot, query: Vector, *, top_k: int, filters: Filters
    ) -> Sequence[Passage]:
        """Return the nearest chunks; never fewer than exist, up to top_k."""
        values = {
            "query": vector_literal(query),
            "corpus": corpus.id,
            "filters": Jsonb(dict(filters)),
            "top_k": top_k,
        }
        async with (
            self._connections.connection() as connection,
            connection.transaction(),
        ):
            await connection.execute(_SETTINGS, [str(max(_EF_SEARCH, 2 * top_k))])
            found = await _search(connection, corpus.dimension, values)
            if len(found) < top_k:
                # Either there are no more, and then all of them are quickly sorted,
                # or the scan met hnsw.max_scan_tuples before it was done.
                found = await _search(
                    connection, corpus.dimension, values, exactly=_EXACTLY
                )
        return found


def vector_literal(vector: Vector) -> str:
    """Return a vector as pgvector reads it."""
    return "[" + ",".join(map(str, vector.tolist())) + "]"


async def _search(
    connection: Connection,
    dimension: int,
    values: dict[str, Any],
    *,
    exactly: str = "",
) -> list[Passage]:
    statement = _PASSAGES.format(dimension=int(dimension), exactly=exactly)
    # Planned anew each time: how much a corpus or a filter leaves decides the plan.
    cursor = await connection.execute(statement, values, prepare=False)
    rows: list[Any] = await cursor.fetchall()
    return [by_vector(rest, score) for *rest, score in rows]
