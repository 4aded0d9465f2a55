"""Routes to read, and where a request would go."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.rest.fields import TextField
from llm.dry_run import dry_run
from llm.models import Route, RouteTarget


class TargetSerializer(serializers.ModelSerializer[RouteTarget]):
    """One model of a route."""

    model = serializers.StringRelatedField[Any]()

    class Meta:
        model = RouteTarget
        fields = ("model", "position", "weight", "conditions")
        read_only_fields = fields


class RouteSerializer(serializers.ModelSerializer[Route]):
    """A public name and the models that may serve it, in order.

    Deadlines are seconds of one try; null is the usual one.
    """

    targets = TargetSerializer(many=True, read_only=True)

    class Meta:
        model = Route
        fields = (
            "slug",
            "strategy",
            "default_max_tokens",
            "connect_s",
            "first_byte_s",
            "between_chunks_s",
            "total_s",
            "max_attempts",
            "allow_duplicates",
            "larger_when_too_long",
            "is_active",
            "targets",
        )
        read_only_fields = fields


class DryRunSerializer(serializers.Serializer[Any]):
    """A request as an agent would send it, and for whom; other fields are welcome."""

    model = TextField(max_length=256)
    messages = serializers.ListField(
        child=serializers.DictField(), required=False, default=list
    )
    max_tokens = serializers.IntegerField(min_value=1, required=False)
    max_completion_tokens = serializers.IntegerField(min_value=1, required=False)
    agent = TextField(max_length=64, required=False, default="")
    team = TextField(max_length=64, required=False, default="")


class PlannedTargetSerializer(serializers.Serializer[Any]):
    """A model that would be asked, and what is known of it."""

    model = serializers.CharField()
    expected_usd = serializers.CharField(allow_null=True)
    latency_ms = serializers.FloatField(allow_null=True)
    breaker = serializers.CharField()
    left_alone = serializers.CharField(
        allow_blank=True, help_text="Why it would be asked last; empty if it would not."
    )


class LeftOutSerializer(serializers.Serializer[Any]):
    """A model that cannot serve the request."""

    model = serializers.CharField()
    reason = serializers.CharField()


class BudgetStepSerializer(serializers.Serializer[Any]):
    """What a budget does to the request; cache_only: nobody of the targets is asked."""

    budget = serializers.IntegerField()
    name = serializers.CharField()
    step = serializers.ChoiceField(["route_down", "cache_only"])
    at = serializers.IntegerField(help_text="Percent of the limit.")
    routed_to = serializers.CharField(
        allow_blank=True, help_text="The name that stands in for the requested one."
    )


class PlanSerializer(serializers.Serializer[Any]):
    """Who would be asked, in order, with the probability of that first one."""

    budget_step = BudgetStepSerializer(allow_null=True)
    route = serializers.CharField()
    strategy = serializers.CharField()
    why = serializers.CharField()
    probability = serializers.FloatField(allow_null=True)
    targets = PlannedTargetSerializer(many=True)
    left_out = LeftOutSerializer(many=True)
    default_max_tokens = serializers.IntegerField()


@extend_schema(tags=["routes"])
class RouteList(generics.ListAPIView[Route]):
    """Every route with its targets."""

    scopes: ClassVar = {"GET": "read"}
    serializer_class = RouteSerializer

    def get_queryset(self) -> QuerySet[Route]:
        """Return routes with their targets."""
        return Route.objects.prefetch_related("targets__model__provider")


@extend_schema(tags=["routes"], request=DryRunSerializer, responses=PlanSerializer)
class RouteDryRun(APIView):
    """Where a request would go, and why; nothing is sent."""

    scopes: ClassVar = {"POST": "read"}

    def post(self, request: Request) -> Response:
        """Plan a request."""
        asked = DryRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        sent: dict[str, Any] = dict(request.data)  # an object: it has been validated
        body = {
            **{n: v for n, v in sent.items() if n not in ("agent", "team")},
            "model": given["model"],
            "messages": given["messages"],
        }
        return Response(dry_run(body, agent=given["agent"], team=given["team"]))
