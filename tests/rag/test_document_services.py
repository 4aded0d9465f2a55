"""Adding, replacing and deleting documents."""

import pytest
from django.core.exceptions import ValidationError

from devora_ops.common.errors import InvalidRequest, NotFound
from devora_ops.common.models import AuditEntry
from rag.ingestion import document_process
from rag.models import Chunk, Corpus, Document, Status
from rag.parsing import UnsupportedTypeError
from rag.services import (
    NewDocument,
    corpus_create,
    document_add,
    document_delete,
    document_requeue,
    documents_add,
)
from tests.rag.conftest import text_document

pytestmark = pytest.mark.django_db


def add(corpus, external_id, text, **fields):
    new = text_document(external_id, text, **fields)
    return document_add(corpus=corpus, new=new, actor="user:ada")


def test_a_corpus_takes_its_dimension_from_its_embedder(corpus):
    assert corpus.embedder == "local/all-minilm-l6-v2"
    assert corpus.dimension == 384
    assert AuditEntry.objects.get().action == "create"


def test_an_embedder_that_does_not_exist_is_refused():
    with pytest.raises(InvalidRequest) as refusal:
        corpus_create(slug="a", name="A", embedder="openai/x", actor="user:ada")
    assert refusal.value.param == "embedder"


def test_a_second_corpus_of_the_same_slug_is_refused(corpus):
    with pytest.raises(ValidationError):
        corpus_create(slug=corpus.slug, name="Other", actor="user:ada")


def test_a_new_document_is_queued(corpus):
    document, due = add(corpus, "a", "Some text.")
    assert due
    assert (document.status, document.attempts) == (Status.QUEUED, 0)
    assert AuditEntry.objects.filter(object_id="manuals/a").count() == 1


def test_the_same_content_again_changes_nothing(corpus):
    first, _ = add(corpus, "a", "Some text.")
    again, due = add(corpus, "a", "Some text.")
    assert (again.pk, due) == (first.pk, False)
    assert Document.objects.count() == 1
    assert AuditEntry.objects.filter(object_type="document").count() == 1


def test_new_metadata_of_the_same_content_needs_no_new_vectors(corpus):
    add(corpus, "a", "Some text.", metadata={"year": 2025})
    document, due = add(corpus, "a", "Some text.", metadata={"year": 2026})
    assert not due
    assert document.metadata == {"year": 2026}


@pytest.mark.parametrize("change", [{"text": "Other text."}, {"title": "Other title"}])
def test_new_content_queues_the_document_again(corpus, change):
    first, _ = add(corpus, "a", "Some text.")
    document_process(first.pk)
    again, due = add(corpus, "a", **{"text": "Some text.", **change})
    assert due
    assert (again.pk, again.revision) == (first.pk, 2)
    assert (again.status, again.served_revision) == (Status.QUEUED, 1)


def test_a_failed_document_is_tried_again_with_the_same_content(corpus):
    document, _ = add(corpus, "a", " ")
    document_process(document.pk)
    document.refresh_from_db()
    assert document.status == Status.FAILED
    again, due = add(corpus, "a", " ")
    assert (due, again.status, again.error) == (True, Status.QUEUED, "")


def test_a_list_is_added_whole_or_not_at_all(corpus):
    pdf = NewDocument(external_id="b", content=b"%PDF-1.7")
    with pytest.raises(UnsupportedTypeError):
        documents_add(
            corpus=corpus,
            documents=[text_document("a", "Some text."), pdf],
            actor="user:ada",
        )
    assert not Document.objects.exists()


def test_a_list_is_answered_in_its_order(corpus):
    given = [text_document(name, "Some text.") for name in ("c", "a", "b")]
    added = documents_add(corpus=corpus, documents=given, actor="user:ada")
    assert [document.external_id for document, _due in added] == ["c", "a", "b"]


def test_deleting_a_document_deletes_all_that_was_made_of_it(corpus):
    document, _ = add(corpus, "a", "Some text.")
    document_process(document.pk)
    before = Corpus.objects.get().revision
    document_delete(corpus=corpus, external_id="a", actor="user:ada")
    assert not Chunk.objects.exists()
    assert Corpus.objects.get().revision > before
    with pytest.raises(NotFound):
        document_delete(corpus=corpus, external_id="a", actor="user:ada")


def test_processing_again_starts_with_all_attempts(corpus):
    document, _ = add(corpus, "a", " ")
    document_process(document.pk)
    document_requeue(document=document)
    assert (document.status, document.attempts) == (Status.QUEUED, 0)


def test_counts_name_every_state(corpus):
    add(corpus, "a", "Some text.")
    failing, _ = add(corpus, "b", " ")
    document_process(failing.pk)
    counted = Corpus.objects.with_document_counts().get()
    assert [getattr(counted, state) for state in Status.values] == [1, 0, 0, 1]
