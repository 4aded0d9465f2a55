"""The REST addresses of prompts, below /api/v1/."""

from django.urls import path

from prompts.api.views import (
    LabelDetail,
    PromptDetail,
    PromptList,
    RenderPrompt,
    VersionDetail,
    VersionList,
)

urlpatterns = [
    path("prompts/", PromptList.as_view(), name="prompts-prompt-list"),
    path("prompts/<slug:slug>/", PromptDetail.as_view(), name="prompts-prompt-detail"),
    path(
        "prompts/<slug:slug>/versions/",
        VersionList.as_view(),
        name="prompts-version-list",
    ),
    path(
        "prompts/<slug:slug>/versions/<int:number>/",
        VersionDetail.as_view(),
        name="prompts-version-detail",
    ),
    path(
        "prompts/<slug:slug>/labels/<str:label>/",
        LabelDetail.as_view(),
        name="prompts-label-detail",
    ),
    path(
        "prompts/<slug:slug>/render/",
        RenderPrompt.as_view(),
        name="prompts-prompt-render",
    ),
]
