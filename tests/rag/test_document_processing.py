"""The way of a document into the index, with all that can come in between."""

import datetime as dt

import numpy as np
import pytest
from django.utils import timezone

from rag.embedders.protocol import EmbedderUnavailable
from rag.embedders.registry import embedder_named
from rag.ingestion import MAX_ATTEMPTS, STUCK_AFTER, document_process, documents_requeue
from rag.models import Chunk, Corpus, Document, Status
from rag.services import document_add, document_delete
from tests.rag.conftest import text_document

pytestmark = pytest.mark.django_db

LONG = "Ice forms on the wings of an aircraft in cloud. " * 4000


class CountingEmbedder:
    """Counts words as tokens and remembers every text that it embeds."""

    name, dimension, max_tokens = "local/all-minilm-l6-v2", 384, 254

    def __init__(self, on_batch=lambda texts: None):
        self.texts = []
        self.on_batch = on_batch

    def count_tokens(self, text):
        return len(text.split())

    def embed(self, texts):
        self.on_batch(texts)
        self.texts.extend(texts)
        return np.eye(1, self.dimension, dtype=np.float32).repeat(len(texts), axis=0)


def add(corpus, text, external_id="a", **fields):
    new = text_document(external_id, text, **fields)
    return document_add(corpus=corpus, new=new, actor="user:ada")[0]


def process(document, embedder=None, **options):
    if embedder is not None:
        options["embedders"] = {embedder.name: embedder}.get
    again = document_process(document.pk, **options)
    document.refresh_from_db()
    return again


def make_stuck(document, **fields):
    before = timezone.now() - STUCK_AFTER - dt.timedelta(seconds=1)
    Document.objects.filter(pk=document.pk).update(
        queued_at=before, claimed_at=before, **fields
    )


def test_a_document_becomes_chunks_with_vectors(corpus):
    text = "# Wings\n\nIce forms.\n\n## Care\n\nClean them.\n"
    document = add(corpus, text, title="Manual", kind="markdown")
    process(document)
    assert (document.status, document.served_revision) == (Status.READY, 1)
    assert (document.encoding, document.claim) == ("utf-8", None)
    wings, care = Chunk.objects.all()
    assert (care.heading, care.position) == ("Wings > Care", 1)
    assert care.text == text[care.start_char : care.end_char]
    expected = embedder_named("local").embed([f"Manual\nWings\n{wings.text}"])[0]
    assert wings.embedding == pytest.approx(expected, abs=1e-3)


def test_a_message_that_comes_twice_embeds_once(corpus):
    embedder = CountingEmbedder()
    document = add(corpus, LONG)
    process(document, embedder)
    process(document, embedder)
    assert len(embedder.texts) == Chunk.objects.count()
    assert document.attempts == 1


def test_a_second_worker_leaves_a_document_that_has_one(corpus):
    document = add(corpus, LONG)
    seen = []
    again = CountingEmbedder(lambda _texts: seen.append(document_process(document.pk)))
    process(document, again)
    assert set(seen) == {False}
    assert (document.status, document.attempts) == (Status.READY, 1)


def test_an_attempt_continues_where_the_last_one_was_killed(corpus):
    embedder = CountingEmbedder(lambda _texts: _die_after(embedder, batches=2))
    document = add(corpus, LONG)
    with pytest.raises(KeyboardInterrupt):
        process(document, embedder)
    document.refresh_from_db()
    assert document.status == Status.PROCESSING
    make_stuck(document)
    assert documents_requeue() == [document.pk]
    embedder.on_batch = lambda _texts: None
    process(document, embedder)
    assert document.status == Status.READY
    assert len(embedder.texts) == Chunk.objects.count() > 128


def _die_after(embedder, *, batches):
    if len(embedder.texts) >= 64 * batches:
        raise KeyboardInterrupt


def test_a_document_without_text_fails_at_once(corpus):
    document = add(corpus, "\n" * 1_000_000)
    process(document)
    assert (document.status, document.error_code) == (Status.FAILED, "no_text")
    assert "no text" in document.error
    assert documents_requeue() == []


@pytest.mark.parametrize(
    ("vectors", "code"),
    [
        (np.full((1, 384), np.nan, np.float32), "bad_embedding"),
        (np.ones((1, 512), np.float32), "dimension_mismatch"),
    ],
)
def test_vectors_that_do_not_fit_fail_the_document(corpus, vectors, code):
    embedder = CountingEmbedder()
    embedder.embed = lambda _texts: vectors
    document = add(corpus, "Some text.")
    process(document, embedder)
    assert (document.status, document.error_code) == (Status.FAILED, code)


def test_an_embedder_that_is_away_is_asked_three_times(corpus):
    embedder = CountingEmbedder(_unavailable)
    document = add(corpus, "Some text.")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert document.status == Status.QUEUED
        process(document, embedder)
        assert document.attempts == attempt
    assert (document.status, document.error) == (Status.FAILED, "It is away.")


def _unavailable(_texts):
    raise EmbedderUnavailable("It is away.")


def test_a_document_that_kills_its_workers_is_given_up(corpus):
    document = add(corpus, "Some text.")
    make_stuck(document, status=Status.PROCESSING, attempts=MAX_ATTEMPTS)
    assert documents_requeue() == []
    document.refresh_from_db()
    assert (document.status, document.error_code) == (
        Status.FAILED,
        "too_many_attempts",
    )


def test_only_what_stands_still_is_queued_again(corpus):
    fresh, lost = add(corpus, "Some text.", "a"), add(corpus, "Some text.", "b")
    make_stuck(lost)
    assert documents_requeue() == [lost.pk]
    assert documents_requeue() == []
    fresh.refresh_from_db()
    assert fresh.status == Status.QUEUED


def test_a_long_document_gives_way_to_the_others(corpus):
    embedder = CountingEmbedder()
    document = add(corpus, LONG)
    turns = 1
    while process(document, embedder, turn_s=0.0):
        assert document.status == Status.QUEUED
        turns += 1
    assert document.status == Status.READY
    assert turns > 2
    assert len(embedder.texts) == Chunk.objects.count()


def test_a_document_that_is_deleted_meanwhile_leaves_nothing(corpus):
    document = add(corpus, LONG)
    embedder = CountingEmbedder(
        lambda _texts: document_delete(corpus=corpus, external_id="a", actor="user:ada")
    )
    document_process(document.pk, embedders=lambda _name: embedder)
    assert not Chunk.objects.exists()
    assert not Document.objects.exists()


def test_new_content_that_arrives_meanwhile_wins(corpus):
    document = add(corpus, "Old text.")
    process(document, CountingEmbedder(lambda _texts: add(corpus, "New text.")))
    assert (document.status, document.served_revision) == (Status.QUEUED, None)
    process(document, CountingEmbedder())
    assert (document.status, document.served_revision) == (Status.READY, 2)
    assert [chunk.text for chunk in Chunk.objects.all()] == ["New text."]


def test_readers_of_the_corpus_are_told(corpus):
    process(add(corpus, "Some text."))
    assert Corpus.objects.get().revision == 1
