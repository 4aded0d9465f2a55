"""Searching in this process's memory: exact, for tests and small corpora.

Postgres stays the truth; a corpus's vectors are read once for each of its revisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from devora_ops.common.postgres import Connection
from rag.embedders.protocol import Matrix, Vector
from rag.snapshot import CorpusSnapshot
from rag.stores.protocol import Connections, Filters, Passage, by_vector

_VECTORS = """
SELECT c.id, d.metadata, halfvec_send(c.embedding)
FROM rag_chunk AS c
JOIN rag_document AS d ON d.id = c.document_id AND d.served_revision = c.revision
WHERE c.corpus_id = %s AND vector_dims(c.embedding) = %s
ORDER BY c.id
"""
_PASSAGES = """
SELECT c.id, d.external_id, d.title, c.position, c.heading, c.text, c.token_count
FROM rag_chunk AS c JOIN rag_document AS d ON d.id = c.document_id
WHERE c.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One revision of a corpus; row i of vectors is chunk ids[i]."""

    revision: int
    ids: npt.NDArray[np.int64]
    vectors: Matrix
    metadata: Sequence[Any]


class MemoryStore:
    """Compares a query with every vector of a corpus."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loaded: dict[int, _Loaded] = {}

    async def nearest(
        self, corpus: CorpusSnapshot, query: Vector, *, top_k: int, filters: Filters
    ) -> Sequence[Passage]:
        """Return the nearest chunks by the exact cosine."""
        async with self._connections.connection() as connection:
            loaded = await self._current(connection, corpus)
            scores = loaded.vectors @ query
            if filters:
                scores[~_matching(loaded.metadata, filters)] = -np.inf
            order = np.argsort(-scores, kind="stable")[:top_k]
            best = {
                int(loaded.ids[row]): float(scores[row])
                for row in order
                if np.isfinite(scores[row])
            }
            return await _passages(connection, best)

    async def _current(self, connection: Connection, corpus: CorpusSnapshot) -> _Loaded:
        loaded = self._loaded.get(corpus.id)
        if loaded is None or loaded.revision != corpus.revision:
            loaded = await _load(connection, corpus)
            self._loaded[corpus.id] = loaded
        return loaded


async def _load(connection: Connection, corpus: CorpusSnapshot) -> _Loaded:
    cursor = await connection.execute(_VECTORS, [corpus.id, corpus.dimension])
    rows: list[Any] = await cursor.fetchall()
    # halfvec_send: two 16-bit words (dimension, unused), then big-endian halves.
    halves = b"".join(bytes(row[2])[4:] for row in rows)
    vectors = np.frombuffer(halves, ">f2").reshape(len(rows), corpus.dimension)
    return _Loaded(
        revision=corpus.revision,
        ids=np.array([row[0] for row in rows], np.int64),
        vectors=vectors.astype(np.float32),
        metadata=[row[1] for row in rows],
    )


def _matching(metadata: Sequence[Any], filters: Filters) -> npt.NDArray[np.bool_]:
    return np.array([contains(one, filters) for one in metadata], bool)


def contains(whole: Any, part: Any) -> bool:
    """Say whether a JSON value contains another, as Postgres' @> does."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(one, value) for one in whole) for value in part
        )
    # In Python True equals 1; in JSON it does not.
    return isinstance(whole, bool) is isinstance(part, bool) and bool(whole == part)


async def _passages(
    connection: Connection, best: dict[int, float]
) -> Sequence[Passage]:
    cursor = await connection.execute(_PASSAGES, [list(best)])
    rows: list[Any] = await cursor.fetchall()
    found = {chunk: by_vector(rest, best[chunk]) for chunk, *rest in rows}
    return [found[chunk] for chunk in best if chunk in found]
