"""The REST addresses of agents, keys and routes, below /api/v1/."""

from django.urls import path

from llm.api.agents import AgentDetail, AgentList, KeyList
from llm.api.routes import RouteDryRun, RouteList

urlpatterns = [
    path("agents/", AgentList.as_view(), name="llm-agent-list"),
    path("agents/<slug:slug>/", AgentDetail.as_view(), name="llm-agent-detail"),
    path("routes/", RouteList.as_view(), name="llm-route-list"),
    path("routes/dry-run/", RouteDryRun.as_view(), name="llm-route-dry-run"),
    path("keys/", KeyList.as_view(), name="llm-key-list"),
]
