"""Corpora as the data plane reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devora_ops.common.postgres import Connection
from devora_ops.common.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class CorpusSnapshot:
    """A corpus: who embeds its queries and what searches its vectors.

    revision: goes up whenever what a search can find has changed.
    """

    id: int
    slug: str
    name: str
    language: str
    embedder: str
    dimension: int
    store: str
    revision: int


Corpora = Mapping[str, CorpusSnapshot]

_CORPORA = """
SELECT id, slug, name, language, embedder, dimension, store, revision FROM rag_corpus
"""


async def load_corpora(connection: Connection) -> Corpora:
    """Read every corpus, by its slug."""
    cursor = await connection.execute(_CORPORA)
    rows: list[Any] = await cursor.fetchall()
    return {row[1]: CorpusSnapshot(*row) for row in rows}


def corpora_snapshot() -> Snapshot[Corpora]:
    """Return the source of corpora for a process that keeps snapshots."""
    return Snapshot(tables=["rag_corpus"], load=load_corpora, empty={})
