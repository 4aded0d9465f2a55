"""Writes: corpora and their documents. Interfaces enqueue what becomes due."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from devora_ops.common.audit import record
from devora_ops.common.errors import NotFound
from rag.embedders.registry import DEFAULT, canonical_name, embedder_named
from rag.models import Corpus, Document, Language, Status, StoreKind
from rag.parsing import Kind, document_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """What somebody hands in: the bytes and what they are said to be.

    kind: known when the text came as text; a file's is found out.
    """

    external_id: str
    content: bytes
    title: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    kind: Kind | None = None
    filename: str = ""
    media_type: str = ""


@transaction.atomic
def corpus_create(
    *,
    slug: str,
    name: str,
    actor: str,
    language: str = Language.ENGLISH,
    embedder: str = DEFAULT,
    store: str = StoreKind.PGVECTOR,
) -> Corpus:
    """Make an empty corpus. Raises ValidationError, or InvalidRequest (embedder)."""
    full_name = canonical_name(embedder)
    corpus = Corpus(
        slug=slug,
        name=name,
        language=language,
        embedder=full_name,
        dimension=embedder_named(full_name).dimension,
        store=store,
    )
    corpus.full_clean()
    corpus.save()
    record(
        actor=actor,
        action="create",
        object_type="corpus",
        object_id=slug,
        after={"name": name, "language": language, "embedder": full_name},
    )
    return corpus


@transaction.atomic
def corpus_rename(*, corpus: Corpus, name: str, actor: str) -> Corpus:
    """Change what a corpus is called; all else of it is fixed by its vectors."""
    before = Corpus.objects.values_list("name", flat=True).get(pk=corpus.pk)
    corpus.name = name
    corpus.full_clean()
    corpus.save(update_fields=["name"])
    record(
        actor=actor,
        action="change",
        object_type="corpus",
        object_id=corpus.slug,
        before={"name": before},
        after={"name": name},
    )
    return corpus


@transaction.atomic
def corpus_delete(*, corpus: Corpus, actor: str) -> None:
    """Delete a corpus with its documents, chunks and vectors."""
    corpus.delete()
    record(actor=actor, action="delete", object_type="corpus", object_id=corpus.slug)


@transaction.atomic
def documents_add(
    *, corpus: Corpus, documents: Sequence[NewDocument], actor: str
) -> list[tuple[Document, bool]]:
    """Add documents, all or none; True marks those that have to be processed."""
    # In one order whoever adds them: two lists that overlap would wait for each other.
    in_order = sorted(documents, key=attrgetter("external_id"))
    added = {
        new.external_id: document_add(corpus=corpus, new=new, actor=actor)
        for new in in_order
    }
    return [added[new.external_id] for new in documents]


@transaction.atomic
def document_add(
    *, corpus: Corpus, new: NewDocument, actor: str
) -> tuple[Document, bool]:
    """Add a document, or give one of the same external_id this content.

    The same content again changes nothing, unless processing it has failed. Until the
    new content is indexed a search finds the old one.
    Raises UnsupportedTypeError for anything but text.
    """
    kind = new.kind or document_kind(
        new.content, filename=new.filename, media_type=new.media_type
    )
    document, is_new = _document(corpus, new, kind)
    due = is_new or document.status == Status.FAILED or _says_other(document, new, kind)
    if not is_new:
        if due:
            _replace(document, new, kind)
        elif document.metadata != new.metadata:
            _describe(document, new.metadata)
    if due:
        _record(actor, "create" if is_new else "change", corpus, document)
    return document, due


@transaction.atomic
def document_delete(*, corpus: Corpus, external_id: str, actor: str) -> None:
    """Delete a document with its chunks and vectors. Raises NotFound."""
    documents = corpus.documents.select_for_update().defer("content")
    document = documents.filter(external_id=external_id).first()
    if document is None:
        raise NotFound(_("The corpus has no document of this id."))
    _record(actor, "delete", corpus, document)
    document.delete()
    corpus_changed(corpus.pk)


def document_requeue(*, document: Document) -> None:
    """Let a document be processed from the start, with all its attempts."""
    Document.objects.filter(pk=document.pk).update(**_queued())
    document.refresh_from_db(fields=["status", "attempts", "error", "error_code"])


def corpus_changed(corpus_id: int) -> None:
    """Tell the readers of a corpus that a search would find something else now."""
    Corpus.objects.filter(pk=corpus_id).update(revision=F("revision") + 1)


def _document(corpus: Corpus, new: NewDocument, kind: Kind) -> tuple[Document, bool]:
    documents = Document.objects.select_for_update().defer("content")
    return documents.get_or_create(
        corpus=corpus,
        external_id=new.external_id,
        defaults={
            "title": new.title,
            "metadata": new.metadata,
            "kind": kind,
            "content": new.content,
            "sha256": _digest(new.content),
        },
    )


def _says_other(document: Document, new: NewDocument, kind: Kind) -> bool:
    return (
        bytes(document.sha256) != _digest(new.content)
        or document.kind != kind
        or document.title != new.title
    )


def _replace(document: Document, new: NewDocument, kind: Kind) -> None:
    Document.objects.filter(pk=document.pk).update(
        title=new.title,
        metadata=new.metadata,
        kind=kind,
        content=new.content,
        sha256=_digest(new.content),
        revision=F("revision") + 1,
        **_queued(),
    )
    document.refresh_from_db()


def _describe(document: Document, metadata: dict[str, Any]) -> None:
    document.metadata = metadata
    document.save(update_fields=["metadata"])
    corpus_changed(document.corpus_id)


def _queued() -> dict[str, Any]:
    return {
        "status": Status.QUEUED,
        "attempts": 0,
        "error": "",
        "error_code": "",
        # Whoever still processes the old content finds its claim gone and stops.
        "claim": None,
        "queued_at": Now(),
    }


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _record(actor: str, action: str, corpus: Corpus, document: Document) -> None:
    record(
        actor=actor,
        action=action,
        object_type="document",
        object_id=f"{corpus.slug}/{document.external_id}"[:200],
        after={"sha256": bytes(document.sha256).hex()},
    )
