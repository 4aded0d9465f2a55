"""Documents of a corpus over REST: add, list, read, delete."""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from devora_ops.common.errors import PayloadTooLarge
from devora_ops.common.rest.fields import NameField, StrictSerializer, TextField
from devora_ops.common.rest.parameters import read
from devora_ops.common.rest.parsers import StrictJSONParser
from devora_ops.common.rest.permissions import caller_name
from devora_ops.common.strict_json import StrictJSONError, loads
from rag.models import Corpus, Document, Kind, Status
from rag.parsing import MAX_BYTES
from rag.services import NewDocument, document_delete, documents_add
from rag.tasks import enqueue

MAX_DOCUMENTS = 500
_MAX_METADATA = 65_536
_FORM_OVERHEAD = 2**20


class DocumentSerializer(serializers.ModelSerializer[Document]):
    """A document and how far it is; its text is found by searching."""

    class Meta:
        model = Document
        fields = (
            "external_id",
            "title",
            "kind",
            "metadata",
            "status",
            "attempts",
            "error_code",
            "error",
            "encoding",
            "created_at",
        )
        read_only_fields = fields


class MetadataField(serializers.DictField):
    """An object; in a form, its JSON."""

    def get_value(self, dictionary: Any) -> Any:
        """Return what stands under the name, in a form too."""
        return dictionary.get(self.field_name, serializers.empty)

    def to_internal_value(self, data: Any) -> Any:
        """Return the object."""
        if isinstance(data, str):
            try:
                data = loads(data.encode(), max_bytes=_MAX_METADATA)
            except (StrictJSONError, UnicodeEncodeError) as error:
                raise serializers.ValidationError(str(error), "invalid") from None
        return super().to_internal_value(data)


class TextInput(StrictSerializer):
    """A document whose text is in the body."""

    external_id = NameField(max_length=200)
    title = NameField(max_length=300, default="", allow_blank=True)
    text = TextField(max_length=2_621_440)
    kind = serializers.ChoiceField(Kind.choices, default=Kind.TEXT)
    metadata = MetadataField(default=dict)

    def to_internal_value(self, data: Any) -> NewDocument:
        """Return the document."""
        values = super().to_internal_value(data)
        return NewDocument(content=values.pop("text").encode(), **values)


class FileInput(StrictSerializer):
    """A document in a file; without an external_id it has the file's name."""

    file = serializers.FileField(allow_empty_file=True)
    external_id = NameField(max_length=200, required=False)
    title = NameField(max_length=300, required=False)
    metadata = MetadataField(default=dict)

    def to_internal_value(self, data: Any) -> NewDocument:
        """Return the document. Raises PayloadTooLarge."""
        values = super().to_internal_value(data)
        file = values.pop("file")
        if file.size > MAX_BYTES:
            raise _too_large()
        return NewDocument(
            content=file.read(),
            filename=file.name,
            media_type=file.content_type or "",
            **{"external_id": _id_from(file.name), "title": file.name[:300], **values},
        )


class DocumentQuery(serializers.Serializer[Any]):
    """Which documents to list."""

    status = serializers.ChoiceField(Status.choices, required=False)


@extend_schema(tags=["corpora"])
class DocumentList(generics.ListAPIView[Document]):
    """The documents of a corpus, newest first."""

    scopes: ClassVar = {"GET": "read", "POST": "write"}
    parser_classes = (StrictJSONParser, MultiPartParser)
    query = DocumentQuery
    serializer_class = DocumentSerializer

    def get_queryset(self) -> QuerySet[Document]:
        """Return the documents that the query asks for."""
        corpus = get_object_or_404(Corpus, slug=self.kwargs["slug"])
        wanted = read(self.request, DocumentQuery)
        return corpus.documents.filter(**wanted).defer("content")

    @extend_schema(
        request={"application/json": TextInput, "multipart/form-data": FileInput},
        responses={202: DocumentSerializer, 200: DocumentSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add one document, a list of up to 500, or a file.

        202: it will be indexed; 200: nothing of it is new. A list is taken whole or
        not at all, and answered by a list.
        """
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + _FORM_OVERHEAD:
            raise _too_large()
        corpus = get_object_or_404(Corpus, slug=slug)
        documents = _documents(request)
        added = documents_add(
            corpus=corpus, documents=documents, actor=caller_name(request)
        )
        due = [document.pk for document, is_due in added if is_due]
        enqueue(due)
        told = [DocumentSerializer(document).data for document, _due in added]
        return Response(
            told if isinstance(request.data, list) else told[0],
            status=status.HTTP_202_ACCEPTED if due else status.HTTP_200_OK,
        )


@extend_schema(tags=["corpora"])
class DocumentDetail(generics.RetrieveAPIView[Document]):
    """One document."""

    scopes: ClassVar = {"GET": "read", "DELETE": "write"}
    serializer_class = DocumentSerializer
    lookup_field = "external_id"

    def get_queryset(self) -> QuerySet[Document]:
        """Return the documents of the corpus."""
        corpus = get_object_or_404(Corpus, slug=self.kwargs["slug"])
        return corpus.documents.defer("content")

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, external_id: str) -> Response:
        """Delete a document with everything that was made of it."""
        corpus = get_object_or_404(Corpus, slug=slug)
        document_delete(
            corpus=corpus, external_id=external_id, actor=caller_name(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _documents(request: Request) -> Sequence[NewDocument]:
    data = request.data
    if isinstance(data, list):
        return _listed(data)
    given = (FileInput if isinstance(data, QueryDict) else TextInput)(data=data)
    given.is_valid(raise_exception=True)
    return [given.validated_data]


def _listed(data: list[Any]) -> Sequence[NewDocument]:
    given: serializers.BaseSerializer[Any] = serializers.ListSerializer(
        child=TextInput(), data=data, allow_empty=False, max_length=MAX_DOCUMENTS
    )
    given.is_valid(raise_exception=True)
    documents: list[NewDocument] = given.validated_data
    names = [document.external_id for document in documents]
    if len(set(names)) < len(names):
        raise serializers.ValidationError(
            {"external_id": [_("An external_id occurs twice in the list.")]},
            "duplicate",
        )
    return documents


def _id_from(filename: str) -> str:
    if len(filename) <= 200:
        return filename
    return hashlib.sha256(filename.encode()).hexdigest()


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(_("A document has at most 25 MB."))
