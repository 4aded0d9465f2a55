"""Reads of the control plane: documents with their states, and searches."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

from asgiref.sync import async_to_sync
from django.db import connection
from psycopg.conninfo import make_conninfo

from devora_ops.common.postgres import Connection, connect
from rag.models import Corpus
from rag.retriever import Mode, Retriever
from rag.snapshot import CorpusSnapshot
from rag.stores.protocol import Filters, Passage


class OneEach:
    """Makes a connection for each search: views have no event loop to keep a pool in."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection and close it."""
        made = await connect(_address(), application="devora-rest")
        try:
            yield made
        finally:
            await made.close()


def corpus_search(
    corpus: Corpus,
    query: str,
    *,
    top_k: int,
    filters: Filters | None = None,
    mode: Mode = "vector",
) -> Sequence[Passage]:
    """Search as the data plane does, from a view or a command.

    It reads over a connection of its own: what is not committed is not found.
    """
    search = async_to_sync(_retriever().search)
    return search(snapshot_of(corpus), query, top_k=top_k, filters=filters, mode=mode)


def snapshot_of(corpus: Corpus) -> CorpusSnapshot:
    """Return what the data plane knows of a corpus."""
    return CorpusSnapshot(
        id=corpus.pk,
        slug=corpus.slug,
        name=corpus.name,
        language=corpus.language,
        embedder=corpus.embedder,
        dimension=corpus.dimension,
        store=corpus.store,
        revision=corpus.revision,
    )


_CONNINFO = ("dbname", "user", "password", "host", "port", "sslmode", "options")


@lru_cache
def _retriever() -> Retriever:
    return Retriever(OneEach())


def _address() -> str:
    """Return where Django's own connection leads, also in a test."""
    known = connection.get_connection_params()
    return make_conninfo(**{name: known[name] for name in _CONNINFO if known.get(name)})
