"""Every REST address, below /api/; each app names its own."""

from django.urls import include, path

from devora_ops.api_reference import ApiSchema, api_docs

urlpatterns = [
    path("schema/", ApiSchema.as_view(), name="api-schema"),
    path("docs/", api_docs, name="api-docs"),
    path("v1/", include("costs.api.urls")),
    path("v1/", include("llm.api.urls")),
    path("v1/", include("rag.api.urls")),
    path("v1/", include("prompts.api.urls")),
    path("v1/", include("experiments.api.urls")),
]
