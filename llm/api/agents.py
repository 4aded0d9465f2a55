"""Agents and keys, to read: keys are made in the admin or by command, never by a key."""

from typing import Any, ClassVar

from django.db.models import OuterRef, Q, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request

from devora_ops.common.rest.fields import TextField
from devora_ops.common.rest.parameters import read
from llm.models import Agent, ApiKey, KeyUse
from llm.services import LIMITS


class SearchQuery(serializers.Serializer[Any]):
    """`q` finds a part of a name or slug, whatever signs it holds."""

    q = TextField(required=False, max_length=10_000)


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent and its team."""

    team = serializers.SlugRelatedField[Any]("slug", read_only=True)

    class Meta:
        model = Agent
        fields = (
            *("slug", "name", "team", "store_content", "is_active"),
            *LIMITS,
            "created_at",
        )
        read_only_fields = fields


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key without its secret: id and last four characters."""

    id = serializers.CharField(source="public_id", read_only=True)
    agent = serializers.SlugRelatedField[Any]("slug", read_only=True)
    last_used_at = serializers.DateTimeField(
        source="used_at", read_only=True, allow_null=True
    )
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "last_four",
            "agent",
            "name",
            "scopes",
            "expires_at",
            "revoked_at",
            "last_used_at",
            *LIMITS,
            "created_at",
        )
        read_only_fields = fields


def _search(request: Request, *columns: str) -> Q:
    text = read(request, SearchQuery).get("q", "")
    condition = Q()
    for column in columns if text else ():
        condition |= Q(**{f"{column}__icontains": text})
    return condition


@extend_schema(tags=["agents"])
class AgentList(generics.ListAPIView[Agent]):
    """Every agent, newest first."""

    scopes: ClassVar = {"GET": "read"}
    query = SearchQuery
    serializer_class = AgentSerializer

    def get_queryset(self) -> QuerySet[Agent]:
        """Return the agents that the search finds."""
        found = _search(self.request, "slug", "name")
        return Agent.objects.select_related("team").filter(found)


@extend_schema(tags=["agents"])
class AgentDetail(generics.RetrieveAPIView[Agent]):
    """One agent."""

    scopes: ClassVar = {"GET": "read"}
    queryset = Agent.objects.select_related("team")
    serializer_class = AgentSerializer
    lookup_field = "slug"


@extend_schema(tags=["agents"])
class KeyList(generics.ListAPIView[ApiKey]):
    """Every key, newest first, revoked ones included."""

    scopes: ClassVar = {"GET": "read"}
    roles: ClassVar = {"GET": "Owner"}
    query = SearchQuery
    serializer_class = KeySerializer

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Return the keys that the search finds."""
        found = _search(self.request, "name", "agent__slug")
        used = KeyUse.objects.filter(public_id=OuterRef("public_id"))
        return (
            ApiKey.objects.select_related("agent")
            .filter(found)
            .annotate(used_at=Subquery(used.values("used_at")[:1]))
        )
