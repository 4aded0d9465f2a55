"""Corpora over REST."""

import pytest

from rag.models import Corpus
from rag.services import document_add
from rag.tasks import process_document
from tests.api.callers import as_key, as_person, codes_of
from tests.rag.conftest import make_corpus, text_document

CORPORA = "/api/v1/corpora/"
SEARCH = "/api/v1/corpora/pets/search/"


@pytest.mark.django_db
def test_a_corpus_is_made_with_what_is_given():
    body = {"slug": "pets", "name": "Pets", "language": "fr", "store": "memory"}
    answer = as_key("write").post(CORPORA, body, "json")
    assert answer.status_code == 201
    made = answer.json()
    assert made.pop("created_at")
    assert made == {
        **body,
        "embedder": "local/all-minilm-l6-v2",
        "dimension": 384,
        "documents": {"queued": 0, "processing": 0, "ready": 0, "failed": 0},
    }


@pytest.mark.django_db
def test_what_is_left_out_has_a_default():
    body = {"slug": "pets", "name": "Pets", "embedder": "local"}
    made = as_key("write").post(CORPORA, body, "json").json()
    assert (made["language"], made["store"]) == ("en", "pgvector")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"slug": None}, "null"),
        ({"slug": "a b"}, "invalid"),
        ({"slug": "manuals"}, "unique"),
        ({"slug": "a" * 65}, "max_length"),
        ({"name": "\u200b"}, "blank"),
        ({"name": "\u202eevil"}, "control_character"),
        ({"language": "French"}, "invalid_choice"),
        ({"embedder": "openai/x"}, "invalid_choice"),
        ({"store": "pinecone"}, "invalid_choice"),
        ({"owner": "me"}, "unknown_field"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused(corpus, changes, code):
    body = {"slug": "pets", "name": "Pets", **changes}
    answer = as_key("write").post(CORPORA, body, "json")
    assert answer.status_code == 400
    assert codes_of(answer) == {code}
    assert list(Corpus.objects.all()) == [corpus]


@pytest.mark.django_db
def test_a_corpus_counts_its_documents(corpus):
    document_add(corpus=corpus, new=text_document("a", "Text."), actor="user:ada")
    shown = as_key("read").get(f"{CORPORA}manuals/").json()
    counts = {"queued": 1, "processing": 0, "ready": 0, "failed": 0}
    assert shown["documents"] == counts
    listed = as_key("read").get(CORPORA).json()
    assert [one["documents"] for one in listed["results"]] == [counts]


@pytest.mark.django_db
def test_a_corpus_that_does_not_exist_is_not_found():
    for path in ("nope/", "nope/documents/", "nope/documents/a/"):
        assert codes_of(as_key("read").get(CORPORA + path)) == {"not_found"}
    answer = as_key("call").post(f"{CORPORA}nope/search/", {"query": "x"}, "json")
    assert codes_of(answer) == {"not_found"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("caller", "method", "path", "status"),
    [
        (("read",), "post", "", 403),
        (("call",), "get", "", 403),
        (("read",), "post", "manuals/search/", 403),
        (("read",), "post", "manuals/documents/", 403),
        (("read",), "delete", "manuals/documents/a/", 403),
        ("Viewer", "post", "", 403),
        ("Viewer", "post", "manuals/documents/", 403),
        ("Viewer", "get", "", 200),
        ("Editor", "get", "manuals/documents/", 200),
    ],
)
def test_scopes_and_roles_decide_who_may(corpus, caller, method, path, status):
    client = as_person(caller) if isinstance(caller, str) else as_key(*caller)
    answer = getattr(client, method)(CORPORA + path, {}, "json")
    if method == "get":
        answer = client.get(CORPORA + path)
    assert answer.status_code == status


def test_a_search_answers_with_passages(committed):
    corpus = make_corpus("pets")
    document, _due = document_add(
        corpus=corpus,
        new=text_document("cats", "Cats purr.", title="On cats"),
        actor="user:ada",
    )
    process_document(str(document.pk))
    body = {"query": "A pet that meows", "top_k": 3, "mode": "vector", "filters": {}}
    answer = as_key("call").post(SEARCH, body, "json")
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    score = result.pop("score")
    assert 0.2 < score < 1
    assert result == {
        "external_id": "cats",
        "document": "On cats",
        "chunk": 0,
        "text": "Cats purr.",
        "components": {"vector": score},
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "required"),
        ({"query": ""}, 400, "blank"),
        ({"query": 5}, 400, "invalid"),
        ({"query": "x" * 10_001}, 400, "max_length"),
        ({"query": "x", "top_k": 0}, 400, "min_value"),
        ({"query": "x", "top_k": 101}, 400, "max_value"),
        ({"query": "x", "top_k": True}, 400, "invalid"),
        ({"query": "x", "mode": "fuzzy"}, 400, "invalid_choice"),
        ({"query": "x", "mode": "hybrid"}, 422, "mode_unavailable"),
        ({"query": "x", "filters": []}, 400, "not_a_dict"),
        ({"query": "x", "limit": 1}, 400, "unknown_field"),
    ],
)
def test_a_search_that_cannot_be_is_refused(db, body, status, code):
    make_corpus("pets")
    answer = as_key("call").post(SEARCH, body, "json")
    assert answer.status_code == status
    assert codes_of(answer) == {code}
