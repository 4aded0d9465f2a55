"""The REST addresses of agents, keys, routes and content, below /api/v1/."""

from django.urls import path

from llm.api.agents import AgentDetail, AgentList, KeyList
from llm.api.content import CallContent
from llm.api.routes import RouteDryRun, RouteList
from llm.api.what_if import CacheWhatIf, RouteWhatIf

urlpatterns = [
    path("agents/", AgentList.as_view(), name="llm-agent-list"),
    path("agents/<slug:slug>/", AgentDetail.as_view(), name="llm-agent-detail"),
    path("routes/", RouteList.as_view(), name="llm-route-list"),
    path("routes/dry-run/", RouteDryRun.as_view(), name="llm-route-dry-run"),
    path("costs/what-if/routes/", RouteWhatIf.as_view(), name="llm-what-if-route"),
    path("costs/what-if/cache/", CacheWhatIf.as_view(), name="llm-what-if-cache"),
    path("keys/", KeyList.as_view(), name="llm-key-list"),
    path("calls/<uuid:pk>/content/", CallContent.as_view(), name="llm-content-detail"),
]
