"""What retrieval searches: corpora, their documents, and the pieces of these."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from devora_ops.common.ids import uuid7
from rag.embedders.registry import DEFAULT


class Language(models.TextChoices):
    """The language of a corpus: how its words are stemmed."""

    ENGLISH = "en", _("English")
    FRENCH = "fr", _("French")
    OTHER = "simple", _("Other")


class StoreKind(models.TextChoices):
    """What searches a corpus's vectors; they are kept in Postgres in any case."""

    PGVECTOR = "pgvector", "pgvector"
    MEMORY = "memory", _("In memory, exact")


class CorpusQuerySet(models.QuerySet["Corpus"]):
    """The vocabulary of corpora."""

    def with_document_counts(self) -> "CorpusQuerySet":
        """Add `queued`, `processing`, `ready` and `failed`: numbers of documents."""
        return self.annotate(
            **{
                status.value: Count("documents", filter=Q(documents__status=status))
                for status in Status
            }
        )


class Corpus(models.Model):
    """A set of documents that is searched as one, by one embedder.

    revision: goes up whenever what a search can find has changed.
    """

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=100)
    language = models.CharField(
        _("language"),
        max_length=8,
        choices=Language.choices,
        default=Language.ENGLISH,
    )
    embedder = models.CharField(_("embedder"), max_length=128, default=DEFAULT)
    dimension = models.PositiveSmallIntegerField(_("dimension"), editable=False)
    store = models.CharField(
        _("store"),
        max_length=16,
        choices=StoreKind.choices,
        default=StoreKind.PGVECTOR,
    )
    revision = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = CorpusQuerySet.as_manager()

    class Meta:
        verbose_name = _("corpus")
        verbose_name_plural = _("corpora")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Status(models.TextChoices):
    """How far a document is on its way into the index."""

    QUEUED = "queued", _("Queued")
    PROCESSING = "processing", _("Processing")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


class Kind(models.TextChoices):
    """How a document is read."""

    TEXT = "text", _("Text")
    MARKDOWN = "markdown", "Markdown"


class Document(models.Model):
    """One source text, and the job that indexes it: this row is the job's truth.

    revision counts the contents that external_id has had; a search finds the chunks of
    served_revision, so the old content answers until the new one is indexed.
    claim is held by the worker that processes the row and is renewed with claimed_at.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    corpus = models.ForeignKey(
        Corpus,
        on_delete=models.CASCADE,
        related_name="documents",
        verbose_name=_("corpus"),
    )
    external_id = models.CharField(_("external id"), max_length=200)
    title = models.CharField(_("title"), max_length=300, blank=True)
    metadata: "models.JSONField[Any, Any]" = models.JSONField(
        _("metadata"), default=dict, blank=True
    )
    kind = models.CharField(
        _("kind"), max_length=8, choices=Kind.choices, default=Kind.TEXT
    )
    content = models.BinaryField(editable=False)
    sha256 = models.BinaryField(max_length=32, editable=False)
    encoding = models.CharField(
        _("encoding"), max_length=16, blank=True, editable=False
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    served_revision = models.PositiveIntegerField(null=True, editable=False)
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=Status.choices,
        default=Status.QUEUED,
        editable=False,
    )
    error_code = models.CharField(max_length=64, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), default=0, editable=False
    )
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    claim = models.UUIDField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["corpus", "external_id"],
                name="rag_document_external_id_unique",
                violation_error_message=_("The corpus has a document of this id."),
            )
        ]
        indexes = [
            # How many documents of a corpus are in which state.
            models.Index(fields=["corpus", "status"], name="rag_document_status"),
            # Which jobs have stood still for too long.
            models.Index(
                fields=["queued_at"],
                condition=Q(status__in=["queued", "processing"]),
                name="rag_document_open",
            ),
            GinIndex(
                fields=["metadata"],
                opclasses=["jsonb_path_ops"],
                name="rag_document_metadata",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class Chunk(models.Model):
    """A piece of a document's text, and where its meaning lies.

    text is characters start_char to end_char of the parsed text. embedding: unit
    length, of its corpus's dimension; NULL until it is embedded. Indexed by an
    expression for each dimension, since embedders differ.
    """

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="chunks")
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="chunks", db_index=False
    )
    revision = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    heading = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    token_count = models.PositiveIntegerField()
    start_char = models.PositiveIntegerField()
    end_char = models.PositiveIntegerField()
    embedding = HalfVectorField(null=True)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering = ["document", "revision", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "revision", "position"],
                name="rag_chunk_position_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_id} #{self.position}"
