"""What a store is: it finds the chunks of a corpus that lie nearest to a query."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from devora_ops.common.postgres import Connection
from rag.embedders.protocol import Vector
from rag.snapshot import CorpusSnapshot

# Keys and values that a document's metadata must contain, as Postgres' @> means it.
Filters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, with its document and why it was found.

    document: the document's title. chunk: its place in the document, from 0.
    score: higher is nearer; components: what it is made of, by retriever.
    """

    external_id: str
    document: str
    chunk: int
    heading: str
    text: str
    tokens: int
    score: float
    components: Mapping[str, float]


def by_vector(columns: Sequence[Any], cosine: float) -> Passage:
    """Return the passage of a row: external_id, title, position, heading, text, tokens."""
    external_id, title, position, heading, text, tokens = columns
    return Passage(
        external_id=external_id,
        document=title,
        chunk=position,
        heading=heading,
        text=text,
        tokens=tokens,
        score=cosine,
        components={"vector": cosine},
    )


class Connections(Protocol):
    """Where a store gets a connection: a pool, or one made for the occasion."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection in autocommit mode."""


class Store(Protocol):
    """Searches the vectors of a corpus."""

    async def nearest(
        self, corpus: CorpusSnapshot, query: Vector, *, top_k: int, filters: Filters
    ) -> Sequence[Passage]:
        """Return min(top_k, matching chunks) passages, nearest first.

        query: float32[corpus.dimension], unit length. Score: cosine, -1 to 1.
        """
