"""Corpora over REST: make, list, read, search."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.rest.fields import (
    NameField,
    StrictSerializer,
    TextField,
    WholeField,
)
from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.permissions import caller_name
from rag.embedders.registry import DEFAULT
from rag.models import Corpus, Language, Status, StoreKind
from rag.retriever import MAX_TOP_K
from rag.selectors import corpus_search
from rag.services import corpus_create
from rag.stores.protocol import Passage


class DocumentCounts(serializers.Serializer[Any]):
    """How many documents are how far."""

    queued = serializers.IntegerField()
    processing = serializers.IntegerField()
    ready = serializers.IntegerField()
    failed = serializers.IntegerField()


class CorpusSerializer(serializers.ModelSerializer[Corpus]):
    """A corpus with the number of its documents in each state."""

    documents = serializers.SerializerMethodField()

    class Meta:
        model = Corpus
        fields = (
            "slug",
            "name",
            "language",
            "embedder",
            "dimension",
            "store",
            "created_at",
            "documents",
        )
        read_only_fields = fields

    @extend_schema_field(DocumentCounts)
    def get_documents(self, corpus: Corpus) -> dict[str, int]:
        """Return the counts that the queryset has added."""
        return {state: getattr(corpus, state, 0) for state in Status.values}


@extend_schema(tags=["corpora"])
class CorpusList(generics.ListAPIView[Corpus]):
    """Every corpus, newest first."""

    scopes: ClassVar = {"GET": "read", "POST": "write"}
    queryset = Corpus.objects.with_document_counts()
    serializer_class = CorpusSerializer

    class Input(StrictSerializer):
        """A new corpus; what is left out has the values of an English one."""

        slug = serializers.SlugField(max_length=64)
        name = NameField()
        language = serializers.ChoiceField(Language.choices, default=Language.ENGLISH)
        embedder = TextField(max_length=128, default=DEFAULT)
        store = serializers.ChoiceField(StoreKind.choices, default=StoreKind.PGVECTOR)

    @extend_schema(request=Input, responses={201: CorpusSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make an empty corpus."""
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        corpus = corpus_create(**given.validated_data, actor=caller_name(request))
        made = CorpusSerializer(corpus).data
        return Response(made, status=status.HTTP_201_CREATED)


@extend_schema(tags=["corpora"])
class CorpusDetail(generics.RetrieveAPIView[Corpus]):
    """One corpus."""

    scopes: ClassVar = {"GET": "read"}
    queryset = Corpus.objects.with_document_counts()
    serializer_class = CorpusSerializer
    lookup_field = "slug"


class CorpusSearch(APIView):
    """Find the passages that are nearest to a query, best first."""

    scopes: ClassVar = {"POST": "call"}

    class Input(StrictSerializer):
        """A query; filters are what a document's metadata must contain."""

        query = TextField(max_length=10_000)
        top_k = WholeField(min_value=1, max_value=MAX_TOP_K, default=8)
        mode = serializers.ChoiceField(
            ["vector", "lexical", "hybrid"], default="vector"
        )
        filters = serializers.DictField(default=dict)

    class Output(serializers.Serializer[Any]):
        """What was found."""

        class Result(serializers.Serializer[Passage]):
            """A passage; `document` is the title, `chunk` its place, from 0."""

            external_id = serializers.CharField()
            document = serializers.CharField()
            chunk = serializers.IntegerField()
            text = serializers.CharField()
            score = serializers.FloatField()
            components = serializers.DictField(child=serializers.FloatField())

        results = Result(many=True)

    @extend_schema(tags=["corpora"], request=Input, responses=Output)
    def post(self, request: Request, slug: str) -> Response:
        """Search one corpus."""
        corpus = get_object_or_404(Corpus, slug=slug)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        found: Sequence[Passage] = corpus_search(corpus, **given.validated_data)
        return Response(self.Output({"results": found}).data)
