"""The REST addresses of corpora and their documents, below /api/v1/."""

from django.urls import path

from rag.api.corpora import CorpusDetail, CorpusList, CorpusSearch
from rag.api.documents import DocumentDetail, DocumentList

urlpatterns = [
    path("corpora/", CorpusList.as_view(), name="rag-corpus-list"),
    path("corpora/<slug:slug>/", CorpusDetail.as_view(), name="rag-corpus-detail"),
    path(
        "corpora/<slug:slug>/documents/",
        DocumentList.as_view(),
        name="rag-document-list",
    ),
    path(
        "corpora/<slug:slug>/documents/<path:external_id>/",
        DocumentDetail.as_view(),
        name="rag-document-detail",
    ),
    path(
        "corpora/<slug:slug>/search/", CorpusSearch.as_view(), name="rag-corpus-search"
    ),
]
