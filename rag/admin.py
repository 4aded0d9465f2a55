"""Corpora and documents in the admin; every write goes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from devora_ops.common import formats
from devora_ops.common.forms import SafeModelAdmin
from rag.forms import CorpusForm, DocumentForm
from rag.models import Chunk, Corpus, Document, Status
from rag.services import (
    corpus_create,
    corpus_delete,
    corpus_rename,
    document_add,
    document_delete,
    document_requeue,
)
from rag.tasks import enqueue


@admin.register(Corpus)
class CorpusAdmin(SafeModelAdmin):
    """Corpora with their documents' states."""

    list_display = ("name", "slug", "language", "store", "documents", "failures")
    search_fields = ("name", "slug")
    _DEFINED = ("slug", "name", "language", "embedder", "store")
    _COUNTED = ("documents", "failures", "chunks")

    def get_fields(
        self, request: HttpRequest, obj: Corpus | None = None
    ) -> tuple[str, ...]:
        """Show what is in a corpus once there is one."""
        return (*self._COUNTED, *self._DEFINED) if obj else self._DEFINED

    def get_queryset(self, request: HttpRequest) -> QuerySet[Corpus]:
        """Return corpora with their counts."""
        # Grouping drops the order that the model has; completion needs one.
        return Corpus.objects.with_document_counts().order_by("name")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Corpus | None = None
    ) -> tuple[str, ...]:
        """Fix what the vectors of an existing corpus depend on."""
        fixed = ("slug", "language", "embedder", "store")
        return (*self._COUNTED, *fixed) if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Offer the embedders when a corpus is made."""
        if obj is None:
            kwargs["form"] = CorpusForm
        return super().get_form(request, obj, change=change, **kwargs)

    @admin.display(description=_("documents ready"))
    def documents(self, corpus: Any) -> SafeString:
        """Return how many of the documents are ready, and lead to them."""
        states = [getattr(corpus, state) for state in Status.values]
        url = reverse("admin:rag_document_changelist")
        return format_html(
            '<a class="text-link" href="{}?corpus__id__exact={}">{} / {}</a>',
            url,
            corpus.pk,
            corpus.ready,
            sum(states),
        )

    @admin.display(description=_("chunks"))
    def chunks(self, corpus: Corpus) -> str:
        """Return how many pieces a search looks through."""
        return formats.count(Chunk.objects.filter(document__corpus=corpus).count())

    @admin.display(description=_("failed"), ordering="failed")
    def failures(self, corpus: Any) -> int:
        """Return how many documents have failed."""
        return int(corpus.failed)

    def save_model(
        self, request: HttpRequest, obj: Corpus, form: Any, change: bool
    ) -> None:
        """Make or rename the corpus."""
        actor = _actor(request)
        if change:
            corpus_rename(corpus=obj, name=obj.name, actor=actor)
        else:
            obj.pk = corpus_create(**form.cleaned_data, actor=actor).pk

    def delete_model(self, request: HttpRequest, obj: Corpus) -> None:
        """Delete the corpus."""
        corpus_delete(corpus=obj, actor=_actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Corpus]) -> None:
        """Delete the corpora."""
        for corpus in queryset:
            corpus_delete(corpus=corpus, actor=_actor(request))


@admin.register(Document)
class DocumentAdmin(SafeModelAdmin):
    """Documents with their states; text is typed or uploaded."""

    form = DocumentForm
    list_display = ("external_id", "title", "corpus", "state", "attempts", "created_at")
    list_filter = ("status", "corpus")
    list_select_related = ("corpus",)
    search_fields = ("external_id", "title")
    actions = ("process_again",)
    _ADDED = ("corpus", "external_id", "title", "kind", "text", "file", "metadata")
    _STATE = ("status", "error", "attempts", "encoding", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        """Return documents without their contents, which a list has no use for."""
        documents = super().get_queryset(request)
        return documents.defer("content")  # type: ignore[no-any-return]

    def get_fields(
        self, request: HttpRequest, obj: Document | None = None
    ) -> tuple[str, ...]:
        """Show how far a document is once there is one."""
        return (*self._STATE, *self._ADDED) if obj else self._ADDED

    def get_readonly_fields(
        self, request: HttpRequest, obj: Document | None = None
    ) -> tuple[str, ...]:
        """Fix what a document is known by."""
        return (*self._STATE, "corpus", "external_id") if obj else ()

    @display(  # type: ignore[untyped-decorator]
        description=_("status"),
        ordering="status",
        label={"ready": "success", "failed": "danger", "processing": "info"},
    )
    def state(self, document: Document) -> tuple[str, str]:
        """Return the status for its colour, and its name."""
        return document.status, document.get_status_display()

    def save_model(
        self, request: HttpRequest, obj: Document, form: DocumentForm, change: bool
    ) -> None:
        """Add the document, or give it its new content."""
        document, due = document_add(
            corpus=obj.corpus, new=form.new_document(), actor=_actor(request)
        )
        obj.pk = document.pk
        if due:
            enqueue([document.pk])

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        """Delete the document."""
        document_delete(
            corpus=obj.corpus, external_id=obj.external_id, actor=_actor(request)
        )

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[Document]
    ) -> None:
        """Delete the documents."""
        for document in queryset:
            self.delete_model(request, document)

    @admin.action(description=_("Process again"), permissions=["change"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        """Queue those that have failed."""
        failed = list(queryset.filter(status=Status.FAILED))
        for document in failed:
            document_requeue(document=document)
        enqueue(document.pk for document in failed)
        told = ngettext(
            "%(count)d document queued.", "%(count)d documents queued.", len(failed)
        )
        messages.success(request, told % {"count": len(failed)})


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"
