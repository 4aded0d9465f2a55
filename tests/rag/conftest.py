"""Corpora to test with."""

import pytest

import devora_ops.celery  # noqa: F401 (tasks run here, at once)
from devora_ops.common.models import AuditEntry, Team, User
from rag.models import Corpus
from rag.services import NewDocument, corpus_create


@pytest.fixture
def corpus(db):
    """Return an empty corpus."""
    return make_corpus("manuals")


@pytest.fixture
def committed(django_db_setup, django_db_blocker):
    """Let a test commit: searches read over connections of their own.

    It deletes what it made instead of emptying every table, as transactional tests do.
    """
    with django_db_blocker.unblock():
        yield
        for model in (Corpus, AuditEntry, User):
            model.objects.all().delete()
        for team in Team.objects.filter(slug="care"):
            team.agents.all().delete()
            team.delete()


def make_corpus(slug, **fields):
    """Return a new corpus."""
    return corpus_create(slug=slug, name=slug.title(), actor="user:ada", **fields)


def text_document(external_id, text, **fields):
    """Return a document to hand in, as plain text."""
    return NewDocument(external_id=external_id, content=text.encode(), **fields)
