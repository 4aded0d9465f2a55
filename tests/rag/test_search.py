"""Finding passages: two stores behind one protocol, on real Postgres."""

import asyncio

import numpy as np
import psycopg
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from devora_ops.common.errors import InvalidRequest, Unprocessable
from rag.ingestion import document_process
from rag.models import Chunk
from rag.selectors import OneEach, corpus_search, snapshot_of
from rag.services import document_add, document_delete
from rag.snapshot import load_corpora
from rag.stores.memory import MemoryStore, contains
from rag.stores.pgvector import PgvectorStore
from tests.rag.conftest import make_corpus, text_document

pytestmark = pytest.mark.usefixtures("committed")

TEXTS = {
    "cats": "Cats purr when they are content.",
    "dogs": "Dogs bark at strangers.",
    "stocks": "Stock markets fell on Monday.",
}
STORES = pytest.mark.parametrize("store", ["pgvector", "memory"])


def fill(corpus, texts=TEXTS, **metadata):
    for external_id, text in texts.items():
        new = text_document(
            external_id, text, title=f"On {external_id}", metadata=metadata
        )
        document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
        document_process(document.pk)
    corpus.refresh_from_db()


def found(corpus, query="A pet that meows", top_k=8, **options):
    passages = corpus_search(corpus, query, top_k=top_k, **options)
    return [passage.external_id for passage in passages]


@STORES
def test_the_nearest_passage_comes_first(store):
    corpus = make_corpus("pets", store=store)
    fill(corpus)
    passages = corpus_search(corpus, "A pet that meows", top_k=2)
    assert [passage.external_id for passage in passages] == ["cats", "dogs"]
    cat = passages[0]
    assert (cat.document, cat.chunk, cat.text) == ("On cats", 0, TEXTS["cats"])
    assert cat.components == {"vector": cat.score}
    assert 1 > cat.score > passages[1].score > -1


@STORES
def test_a_search_finds_only_its_own_corpus(store):
    mine, other = make_corpus("mine", store=store), make_corpus("other", store=store)
    fill(mine, {"a": "Cats purr."})
    fill(other, {"b": "Cats purr."})
    assert found(mine) == ["a"]


@STORES
def test_filters_are_what_the_metadata_must_contain(store):
    corpus = make_corpus("pets", store=store)
    fill(corpus, {"old": "Cats purr."}, year=2025, tags=["a", "b"])
    fill(corpus, {"new": "Stock markets fell."}, year=2026, tags=["b"])
    assert found(corpus, filters={"year": 2026}) == ["new"]
    assert found(corpus, filters={"tags": ["a"]}) == ["old"]
    assert sorted(found(corpus, filters={"tags": ["b"]})) == ["new", "old"]
    assert found(corpus, filters={"year": "2026"}) == []


@STORES
def test_what_is_deleted_or_replaced_is_found_no_more(store):
    corpus = make_corpus("pets", store=store)
    fill(corpus)
    document_delete(corpus=corpus, external_id="cats", actor="user:ada")
    fill(corpus, {"dogs": "Ships sail."})
    assert sorted(found(corpus)) == ["dogs", "stocks"]
    texts = [p.text for p in corpus_search(corpus, "Dogs bark", top_k=8)]
    assert TEXTS["dogs"] not in texts


@STORES
def test_the_old_content_answers_until_the_new_is_ready(store):
    corpus = make_corpus("pets", store=store)
    fill(corpus, {"a": "Cats purr."})
    new = text_document("a", "Ships sail.", title="On a")
    document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
    corpus.refresh_from_db()
    assert [p.text for p in corpus_search(corpus, "cats", top_k=8)] == ["Cats purr."]
    document_process(document.pk)
    corpus.refresh_from_db()
    assert [p.text for p in corpus_search(corpus, "cats", top_k=8)] == ["Ships sail."]


@STORES
def test_an_empty_corpus_has_no_passages(store):
    assert found(make_corpus("empty", store=store)) == []


@pytest.mark.parametrize(
    ("options", "refusal", "code"),
    [
        ({"top_k": 0}, InvalidRequest, "range"),
        ({"top_k": 101}, InvalidRequest, "range"),
        ({"mode": "lexical"}, Unprocessable, "mode_unavailable"),
        ({"mode": "hybrid"}, Unprocessable, "mode_unavailable"),
    ],
)
def test_a_search_that_cannot_be_done_says_why(options, refusal, code):
    with pytest.raises(refusal) as refused:
        found(make_corpus("pets"), **options)
    assert refused.value.code == code


def test_both_stores_find_the_same_among_many():
    corpus = make_corpus("many")
    insert_vectors(corpus, count=600, seed=1)
    query = unit_vectors(1, seed=2)[0]
    for filters in ({}, {"group": 7}):
        for top_k in (1, 10, 100):
            by_store = [
                nearest(corpus, s, query, top_k, filters) for s in STORES_BY_NAME
            ]
            approximate, exact = map(set, by_store)
            assert len(approximate) == len(exact) == min(top_k, 60 if filters else 600)
            assert len(approximate & exact) >= 0.95 * len(exact)
            assert by_store[0][0] == by_store[1][0]


STORES_BY_NAME = {"pgvector": PgvectorStore, "memory": MemoryStore}


def unit_vectors(count, *, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 384))
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


def insert_vectors(corpus, *, count, seed):
    fill(corpus, {str(group): "Some text." for group in range(10)})
    documents = list(corpus.documents.order_by("external_id"))
    for group, document in enumerate(documents):
        document.chunks.all().delete()
        document.metadata = {"group": group}
        document.save(update_fields=["metadata"])
    Chunk.objects.bulk_create(
        Chunk(
            corpus=corpus,
            document=documents[row % 10],
            revision=1,
            position=row,
            text=str(row),
            token_count=1,
            start_char=0,
            end_char=1,
            embedding=vector.tolist(),
        )
        for row, vector in enumerate(unit_vectors(count, seed=seed))
    )


def nearest(corpus, store, query, top_k, filters):
    corpora = snapshot_of(corpus)
    passages = asyncio.run(
        STORES_BY_NAME[store](OneEach()).nearest(
            corpora, query, top_k=top_k, filters=filters
        )
    )
    return [passage.chunk for passage in passages]


def test_the_data_plane_reads_corpora_by_sql():
    corpus = make_corpus("pets", language="fr", store="memory")
    fill(corpus, {"a": "Cats purr."})

    async def read():
        lent = OneEach().connection()
        async with lent as connection:
            return await load_corpora(connection)

    assert asyncio.run(read()) == {"pets": snapshot_of(corpus)}


def test_a_change_of_a_corpus_is_announced():
    async def changed():
        lent = OneEach().connection()
        async with lent as listening:
            await listening.execute("LISTEN devora_changed")
            await asyncio.to_thread(make_and_commit)
            async for notify in listening.notifies(timeout=5, stop_after=1):
                return notify.payload
        return None

    assert asyncio.run(changed()) == "rag_corpus"


def make_and_commit():
    make_corpus("announced")
    connection.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("ab"), JSON, max_size=2)


@settings(deadline=None, max_examples=200)
@given(whole=OBJECTS, part=OBJECTS)
def test_containment_in_memory_is_that_of_postgres(whole, part):
    asked = "SELECT %s::jsonb @> %s::jsonb"
    values = [psycopg.types.json.Jsonb(whole), psycopg.types.json.Jsonb(part)]
    with connection.cursor() as cursor:
        cursor.execute(asked, values)
        (expected,) = cursor.fetchone()
    assert contains(whole, part) is expected
