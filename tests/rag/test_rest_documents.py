"""Documents over REST: one, a list, a file."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from rag.models import Document, Status
from rag.services import document_add
from tests.api.callers import as_key, codes_of
from tests.rag.conftest import text_document

pytestmark = pytest.mark.django_db

DOCUMENTS = "/api/v1/corpora/manuals/documents/"


@pytest.fixture
def api(corpus):
    return as_key("read", "write")


def post(api, body):
    return api.post(DOCUMENTS, body, "json")


def upload(api, name, content, media_type="text/plain", **fields):
    file = SimpleUploadedFile(name, content, media_type)
    return api.post(DOCUMENTS, {"file": file, **fields}, "multipart")


def test_one_document_is_taken_and_indexed(api, django_capture_on_commit_callbacks):
    body = {
        "external_id": "a/b c",
        "title": "Wings",
        "text": "Ice forms on wings.",
        "metadata": {"year": 2026},
    }
    with django_capture_on_commit_callbacks(execute=True):
        answer = post(api, body)
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    shown = api.get(f"{DOCUMENTS}a/b%20c/").json()
    assert shown.pop("created_at")
    assert shown == {
        "external_id": "a/b c",
        "title": "Wings",
        "kind": "text",
        "metadata": {"year": 2026},
        "status": "ready",
        "attempts": 1,
        "error_code": "",
        "error": "",
        "encoding": "utf-8",
    }


def test_the_same_document_again_is_no_news(api, django_capture_on_commit_callbacks):
    body = {"external_id": "a", "text": "Ice forms on wings."}
    assert post(api, body).status_code == 202
    with django_capture_on_commit_callbacks() as enqueued:
        assert post(api, body).status_code == 200
    assert enqueued == []
    assert Document.objects.count() == 1


def test_a_list_is_answered_by_a_list(api):
    answer = post(api, [{"external_id": n, "text": "Some text."} for n in "ba"])
    assert answer.status_code == 202
    assert [one["external_id"] for one in answer.json()] == ["b", "a"]


def test_a_file_is_taken_under_its_name(api):
    answer = upload(
        api, "guide.md", b"# Guide\n", "text/markdown", metadata='{"year": 2026}'
    )
    assert answer.status_code == 202
    told = answer.json()
    assert (told["external_id"], told["title"]) == ("guide.md", "guide.md")
    assert (told["kind"], told["metadata"]) == ("markdown", {"year": 2026})


def test_a_file_may_be_given_an_id_and_a_title(api):
    told = upload(api, "a.txt", b"x", external_id="7", title="Seven").json()
    assert (told["external_id"], told["title"]) == ("7", "Seven")


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".txt", "a\0.txt", ".htaccess", "x.txt\r\nSet-Cookie: a=b"]
)
def test_a_strange_file_name_is_made_harmless(api, name):
    answer = upload(api, name, b"Some text.")
    told = answer.json()
    if answer.status_code == 415:
        assert "Set-Cookie" in name
        return
    assert answer.status_code == 202
    assert told["external_id"].isprintable()
    assert len(told["external_id"]) <= 200


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.txt", b"%PDF-1.7", "text/plain"),
        ("a.txt", b"<html>", "text/plain"),
        ("a.pdf", b"Some text.", "application/pdf"),
        ("a.txt", b"Some text.", "text/html"),
    ],
)
def test_a_file_of_another_type_is_refused(api, name, content, media_type):
    answer = upload(api, name, content, media_type)
    assert answer.status_code == 415
    assert codes_of(answer) == {"unsupported_type"}
    assert not Document.objects.exists()


def test_a_file_that_is_too_large_is_refused(api):
    answer = upload(api, "a.txt", b"a" * (25 * 2**20 + 1))
    assert answer.status_code == 413
    assert codes_of(answer) == {"payload_too_large"}


def test_a_form_without_a_file_is_refused(api):
    answer = api.post(DOCUMENTS, {"external_id": "a"}, "multipart")
    assert answer.status_code == 400
    assert codes_of(answer) == {"required"}


def test_a_form_without_a_boundary_is_refused(api):
    answer = api.generic("POST", DOCUMENTS, b"x", "multipart/form-data")
    assert answer.status_code == 400
    codes_of(answer)


GOOD = {"external_id": "a", "text": "Some text."}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ([], "empty"),
        ([5], "invalid"),
        ([GOOD, GOOD], "duplicate"),
        ([GOOD] * 501, "max_length"),
        ({**GOOD, "external_id": ""}, "blank"),
        ({**GOOD, "external_id": "a\nb"}, "control_character"),
        ({**GOOD, "external_id": "a" * 201}, "max_length"),
        ({**GOOD, "text": ""}, "blank"),
        ({**GOOD, "text": 5}, "invalid"),
        ({**GOOD, "kind": "pdf"}, "invalid_choice"),
        ({**GOOD, "metadata": [1]}, "not_a_dict"),
        ({**GOOD, "metadata": {"a": "\0"}}, "nul_character"),
        ({**GOOD, "url": "http://169.254.169.254/"}, "unknown_field"),
    ],
)
def test_a_document_that_cannot_be_is_refused(api, body, code):
    answer = post(api, body)
    assert answer.status_code == 400
    assert codes_of(answer) == {code}
    assert not Document.objects.exists()


def test_a_document_is_deleted_once(api):
    post(api, GOOD)
    assert api.delete(f"{DOCUMENTS}a/").status_code == 204
    assert codes_of(api.delete(f"{DOCUMENTS}a/")) == {"not_found"}


def test_documents_are_listed_by_state(api, corpus):
    for name in ("a", "b"):
        new = text_document(name, "Some text.")
        document_add(corpus=corpus, new=new, actor="user:ada")
    Document.objects.filter(external_id="b").update(status=Status.FAILED)
    listed = api.get(DOCUMENTS).json()["results"]
    assert [one["external_id"] for one in listed] == ["b", "a"]
    failed = api.get(DOCUMENTS, {"status": "failed"}).json()["results"]
    assert [one["external_id"] for one in failed] == ["b"]
    assert codes_of(api.get(DOCUMENTS, {"status": "lost"})) == {"invalid_choice"}
