"""The REST addresses of agents, keys and what calls said, below /api/v1/."""

from django.urls import path

from llm.api.agents import AgentDetail, AgentList, KeyList
from llm.api.content import CallContent

urlpatterns = [
    path("agents/", AgentList.as_view(), name="llm-agent-list"),
    path("agents/<slug:slug>/", AgentDetail.as_view(), name="llm-agent-detail"),
    path("keys/", KeyList.as_view(), name="llm-key-list"),
    path("calls/<uuid:pk>/content/", CallContent.as_view(), name="llm-content-detail"),
]
