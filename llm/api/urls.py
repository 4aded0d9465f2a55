"""The REST addresses of agents and keys, below /api/v1/."""

from django.urls import path

from llm.api.agents import AgentDetail, AgentList, KeyList

urlpatterns = [
    path("agents/", AgentList.as_view(), name="llm-agent-list"),
    path("agents/<slug:slug>/", AgentDetail.as_view(), name="llm-agent-detail"),
    path("keys/", KeyList.as_view(), name="llm-key-list"),
]
