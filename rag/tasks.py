"""Jobs in the background; the documents' rows say what is to be done."""

import logging
import uuid
from collections.abc import Callable, Iterable

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from devora_ops.common.logs import one_line
from rag.ingestion import document_process, documents_requeue

log = logging.getLogger("[RAG]")


def enqueue(document_ids: Iterable[uuid.UUID]) -> None:
    """Send documents to the workers once the rows are committed.

    A message that gets lost is sent again by `requeue_documents`.
    """
    for document_id in document_ids:
        transaction.on_commit(_sending(document_id), robust=True)


def _sending(document_id: uuid.UUID) -> Callable[[], None]:
    # Not a partial: Django asks a callback that fails for its __qualname__.
    def send() -> None:
        try:
            process_document.delay(str(document_id))
        except OperationalError as error:  # Redis is away
            log.warning(
                "document %s waits to be sent again: %s", document_id, one_line(error)
            )

    return send


@shared_task(name="rag.process_document")
def process_document(document_id: str) -> None:
    """Bring a document into the index."""
    if document_process(uuid.UUID(document_id)):
        process_document.delay(document_id)


@shared_task(name="rag.requeue_documents")
def requeue_documents() -> None:
    """Send what has stood still to the workers again."""
    enqueue(documents_requeue())
