"""Corpora and documents in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from devora_ops.common.models import AuditEntry
from rag.models import Corpus, Document, Status
from rag.services import document_add
from tests.api.callers import as_person, make_person
from tests.rag.conftest import text_document

pytestmark = pytest.mark.django_db

CORPUS, DOCUMENT = "/admin/rag/corpus/", "/admin/rag/document/"


@pytest.fixture
def editor(client):
    person = make_person("Editor")
    person.is_superuser = True
    person.save()
    client.force_login(person)
    return client


def form(corpus, /, **fields):
    return {
        "corpus": str(corpus.pk),
        "external_id": "a",
        "title": "",
        "kind": "text",
        "text": "Some text.",
        "metadata": "{}",
        **fields,
    }


def change_address(document):
    return f"{DOCUMENT}{document.pk}/change/"


def test_a_corpus_is_made_by_the_service(editor):
    fields = {
        "slug": "pets",
        "name": "Pets",
        "language": "en",
        "embedder": "local/all-minilm-l6-v2",
        "store": "pgvector",
    }
    assert editor.post(f"{CORPUS}add/", fields).status_code == 302
    assert Corpus.objects.get().dimension == 384
    assert AuditEntry.objects.filter(action="create", object_id="pets").exists()


def test_a_corpus_keeps_all_but_its_name(editor, corpus):
    fields = {"name": "Handbooks", "slug": "other", "language": "fr"}
    address = f"{CORPUS}{corpus.pk}/change/"
    assert editor.post(address, fields).status_code == 302
    corpus.refresh_from_db()
    assert (corpus.name, corpus.slug, corpus.language) == ("Handbooks", "manuals", "en")


def test_a_typed_document_is_queued(editor, corpus, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as enqueued:
        assert editor.post(f"{DOCUMENT}add/", form(corpus)).status_code == 302
    assert len(enqueued) == 1
    document = Document.objects.get()
    assert (bytes(document.content), document.status) == (b"Some text.", Status.QUEUED)


def test_a_file_takes_the_place_of_a_typed_text(editor, corpus):
    file = SimpleUploadedFile("guide.md", b"# Guide\n", "text/markdown")
    fields = form(corpus, text="", file=file)
    assert editor.post(f"{DOCUMENT}add/", fields).status_code == 302
    document = Document.objects.get()
    assert (bytes(document.content), document.kind) == (b"# Guide\n", "markdown")


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"metadata": "[1]"},
        {"metadata": '{"k": NaN}'},
        {"metadata": '{"k": "\\u0000"}'},
        {"external_id": "a\0b"},
        {"external_id": "\u202eevil"},
        {"text": "a\0b"},
        {"file": SimpleUploadedFile("a.txt", b"%PDF-1.7", "text/plain")},
        {"corpus": "abc"},
    ],
)
def test_a_form_that_cannot_be_comes_back(editor, corpus, fields):
    answer = editor.post(f"{DOCUMENT}add/", form(corpus, **fields))
    assert answer.status_code == 200
    assert not Document.objects.exists()


def test_saving_a_document_as_it_was_changes_nothing(editor, corpus):
    new = text_document("a", "One line.\nAnother.")
    document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
    shown = editor.get(change_address(document))
    assert "Another." in shown.content.decode()
    fields = form(corpus, text="One line.\r\nAnother.")
    assert editor.post(change_address(document), fields).status_code == 302
    document.refresh_from_db()
    assert document.revision == 1


def test_a_changed_text_is_indexed_again(editor, corpus):
    new = text_document("a", "Old text.")
    document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
    fields = form(corpus, external_id="b", text="New text.")
    assert editor.post(change_address(document), fields).status_code == 302
    document.refresh_from_db()
    assert (document.revision, document.external_id) == (2, "a")
    assert bytes(document.content) == b"New text."


def test_failed_documents_can_be_processed_again(editor, corpus):
    new = text_document("a", "Some text.")
    document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
    Document.objects.update(status=Status.FAILED, attempts=3)
    fields = {"action": "process_again", "_selected_action": [str(document.pk)]}
    assert editor.post(DOCUMENT, fields).status_code == 302
    document.refresh_from_db()
    assert (document.status, document.attempts) == (Status.QUEUED, 0)


def test_deleting_goes_through_the_services(editor, corpus):
    new = text_document("a", "Some text.")
    document, _due = document_add(corpus=corpus, new=new, actor="user:ada")
    address = f"{DOCUMENT}{document.pk}/delete/"
    assert editor.post(address, {"post": "yes"}).status_code == 302
    assert not Document.objects.exists()
    address = f"{CORPUS}{corpus.pk}/delete/"
    assert editor.post(address, {"post": "yes"}).status_code == 302
    assert AuditEntry.objects.filter(action="delete").count() == 2


def test_lists_are_shown_also_to_a_lookup_that_makes_no_sense(editor, corpus):
    document_add(corpus=corpus, new=text_document("a", "Text."), actor="user:ada")
    for address in (CORPUS, DOCUMENT):
        assert editor.get(address).status_code == 200
        assert editor.get(f"{address}?id__exact=abc").status_code == 302


def test_a_person_without_a_role_sees_nothing(corpus):
    assert as_person(None).get(CORPUS).status_code == 403
