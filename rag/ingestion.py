"""Bring a document into the index: parse, cut, embed, serve.

The document's row is the job. A worker claims it, renews the claim with every batch and
stops when it has lost it (new content, a deletion, another worker), so a message that
is delivered twice, or a worker that dies, costs at most the batch in flight.
"""

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from devora_ops.common.errors import Conflict, DevoraError, Unprocessable
from rag.chunking import Piece, chunk_text
from rag.embedders.protocol import Embedder, EmbedderUnavailable, Matrix
from rag.embedders.registry import embedder_named
from rag.models import Chunk, Document, Kind, Status
from rag.parsing import parse
from rag.services import corpus_changed

MAX_ATTEMPTS = 3
STUCK_AFTER = dt.timedelta(seconds=60)
_CHUNK_TOKENS = 200
_OVERLAP_TOKENS = 30
# An hour of embedding; more is a mistake or an attack.
_MAX_CHUNKS = 100_000
_BATCH = 64
_TURN_S = 60.0

log = logging.getLogger("[RAG]")


class _ClaimLost(Exception):
    """Somebody else has the document now, or nobody."""


class _TimeIsUp(Exception):
    """The document is long: the others in the queue get their turn first."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A document as one worker holds it."""

    document: Document
    claim: uuid.UUID

    def hold(self) -> None:
        """Renew the claim and lock the row, or raise _ClaimLost."""
        held = Document.objects.filter(pk=self.document.pk, claim=self.claim)
        if held.update(claimed_at=Now()) != 1:
            raise _ClaimLost

    def chunks(self) -> QuerySet[Chunk]:
        return Chunk.objects.filter(
            document=self.document, revision=self.document.revision
        )


def document_process(
    document_id: uuid.UUID,
    *,
    embedders: Callable[[str], Embedder] = embedder_named,
    turn_s: float = _TURN_S,
) -> bool:
    """Process a document if it is due and nobody else does.

    Returns True when it has to be called again: a long document is done in turns.
    """
    job = _claimed(document_id)
    if job is None:
        return False
    try:
        embedder = embedders(job.document.corpus.embedder)
        _cut(job, embedder)
        _embed(job, embedder, until=time.monotonic() + turn_s)
        _serve(job)
    except _TimeIsUp:
        _end(job, Status.QUEUED, attempts=0)
        return True
    except _ClaimLost:
        log.info("document %s has another owner now", document_id)
    except EmbedderUnavailable as error:
        _give_back(job, error.code, error.message)
    except DevoraError as error:
        log.warning("document %s failed: %s", document_id, error)
        _end(job, Status.FAILED, error_code=error.code, error=error.message)
    except Exception:
        log.exception("document %s could not be processed", document_id)
        _give_back(job, "internal_error", "Processing failed; the log says why.")
    return False


@transaction.atomic
def documents_requeue(limit: int = 500) -> list[uuid.UUID]:
    """Return the jobs that stand still and are to be enqueued (again).

    Their message was lost, or their worker died; those that have had their attempts
    are failed instead.
    """
    deadline = Now() - STUCK_AFTER
    still = Document.objects.filter(
        Q(status=Status.QUEUED, queued_at__lt=deadline)
        | Q(status=Status.PROCESSING, claimed_at__lt=deadline)
    )
    still.filter(attempts__gte=MAX_ATTEMPTS).update(
        status=Status.FAILED,
        claim=None,
        error_code="too_many_attempts",
        error=f"Given up after {MAX_ATTEMPTS} attempts.",
    )
    due = still.select_for_update(skip_locked=True).order_by("queued_at")[:limit]
    found = list(due.values_list("pk", flat=True))
    Document.objects.filter(pk__in=found).update(
        status=Status.QUEUED, claim=None, queued_at=Now()
    )
    return found


def _claimed(document_id: uuid.UUID) -> _Job | None:
    claim = uuid.uuid4()
    taken = Document.objects.filter(
        pk=document_id, status=Status.QUEUED, attempts__lt=MAX_ATTEMPTS
    ).update(
        status=Status.PROCESSING,
        claim=claim,
        claimed_at=Now(),
        attempts=F("attempts") + 1,
    )
    if not taken:
        return None
    document = Document.objects.select_related("corpus").filter(claim=claim).first()
    return _Job(document, claim) if document else None


def _cut(job: _Job, embedder: Embedder) -> None:
    """Write the chunks of this revision, unless an earlier attempt has."""
    if job.chunks().exists():
        return
    document = job.document
    parsed = parse(bytes(document.content))
    pieces = chunk_text(
        parsed.text,
        count=embedder.count_tokens,
        size=_CHUNK_TOKENS,
        overlap=_OVERLAP_TOKENS,
        markdown=document.kind == Kind.MARKDOWN,
    )
    chunks = []
    for position, piece in enumerate(pieces):
        chunks.append(_chunk(document, position, piece))
        if position % 1000 == 0:
            job.hold()
    with transaction.atomic():
        job.hold()
        Chunk.objects.bulk_create(chunks, batch_size=500)
        Document.objects.filter(pk=document.pk).update(encoding=parsed.encoding)


def _chunk(document: Document, position: int, piece: Piece) -> Chunk:
    if position >= _MAX_CHUNKS:
        raise Unprocessable(
            f"More than {_MAX_CHUNKS} chunks: split the document.",
            code="too_many_chunks",
        )
    return Chunk(
        corpus_id=document.corpus_id,
        document=document,
        revision=document.revision,
        position=position,
        heading=piece.heading,
        text=piece.text,
        token_count=piece.tokens,
        start_char=piece.start,
        end_char=piece.end,
    )


def _embed(job: _Job, embedder: Embedder, *, until: float) -> None:
    """Embed what is not embedded yet, a batch to a transaction."""
    missing = job.chunks().filter(embedding=None).order_by("position")
    while batch := list(missing[:_BATCH]):
        vectors = embedder.embed(_embedded_texts(job.document, batch))
        _check(vectors, embedder, job.document.corpus.dimension)
        for chunk, vector in zip(batch, vectors, strict=True):
            chunk.embedding = vector.tolist()
        with transaction.atomic():
            job.hold()
            Chunk.objects.bulk_update(batch, ["embedding"])
        if time.monotonic() > until:
            raise _TimeIsUp


def _embedded_texts(document: Document, chunks: Sequence[Chunk]) -> list[str]:
    """A chunk is embedded under its title and headings: it rarely names its subject."""
    return [
        "\n".join(filter(None, (document.title, chunk.heading, chunk.text)))
        for chunk in chunks
    ]


def _check(vectors: Matrix, embedder: Embedder, dimension: int) -> None:
    if vectors.shape[1] != dimension:
        raise Conflict(
            f"{embedder.name} has {vectors.shape[1]} dimensions, the corpus {dimension}.",
            code="dimension_mismatch",
        )
    if not np.isfinite(vectors).all():
        raise Unprocessable(
            f"{embedder.name} gave numbers that are none.", code="bad_embedding"
        )


@transaction.atomic
def _serve(job: _Job) -> None:
    """Let searches find this revision, and forget the ones before."""
    job.hold()
    document = job.document
    _end(job, Status.READY, served_revision=document.revision)
    document.chunks.filter(revision__lt=document.revision).delete()
    corpus_changed(document.corpus_id)


def _give_back(job: _Job, code: str, message: str) -> None:
    """Leave a document to the next attempt, in a while; what is embedded stays so."""
    last = job.document.attempts >= MAX_ATTEMPTS
    status = Status.FAILED if last else Status.QUEUED
    _end(job, status, error_code=code, error=message, queued_at=Now())


def _end(job: _Job, status: Status, **changes: Any) -> None:
    values = {"error_code": "", "error": "", "claim": None, **changes}
    held = Document.objects.filter(pk=job.document.pk, claim=job.claim)
    held.update(status=status, **values)
