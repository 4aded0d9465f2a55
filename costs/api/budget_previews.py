"""What a budget would have done last month, before anybody makes it."""

from dataclasses import asdict
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.api.budgets import BudgetSerializer
from costs.models import Budget
from costs.previews import Preview, preview_of
from costs.replay import Touched
from costs.services import check_budget, check_target
from devora_ops.common.rest.fields import MoneyField


class TouchedSerializer(serializers.Serializer[Any]):
    """Calls that a step would have done something to."""

    calls = serializers.IntegerField()
    usd = MoneyField(help_text="What they cost.")
    share = serializers.FloatField(help_text="Of all calls, 0 to 1.")


class ReachedSerializer(serializers.Serializer[Any]):
    """A step that a period would have reached."""

    effect = serializers.ChoiceField(["warn", "route_down", "cache_only", "block"])
    at = serializers.IntegerField(help_text="The percentage of the limit.")
    when = serializers.DateTimeField(
        help_text="The beginning of the quarter of an hour in which it was reached."
    )


class PeriodSerializer(serializers.Serializer[Any]):
    """A period of the budget."""

    start = serializers.DateTimeField()
    spent_usd = MoneyField(help_text="What the budget would have let through.")
    steps = ReachedSerializer(many=True)


class PreviewSerializer(serializers.Serializer[Any]):
    """A budget over last month's traffic.

    Calls that are routed down count with what they cost then, and money set aside for
    calls under way does not count. cache_only: calls that asked a provider from that
    step on; the cache may know some of them.
    """

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    calls = serializers.IntegerField(help_text="Those that asked a provider.")
    cost_usd = MoneyField()
    periods = PeriodSerializer(many=True)
    routed_down = TouchedSerializer()
    cache_only = TouchedSerializer()
    refused = TouchedSerializer()


@extend_schema(tags=["budgets"], request=BudgetSerializer, responses=PreviewSerializer)
class BudgetPreview(APIView):
    """What a budget would have done to last month's traffic; nothing is written."""

    scopes: ClassVar = {"POST": "read"}

    def post(self, request: Request) -> Response:
        """Replay last month; the running one while nobody called last month."""
        body = BudgetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        budget = Budget(**body.columns())
        check_budget(budget, is_new=False)
        check_target(budget)
        preview = preview_of(budget, now=timezone.now())
        return Response(PreviewSerializer(_facts(preview)).data)


def _facts(preview: Preview) -> dict[str, Any]:
    def told(touched: Touched) -> dict[str, Any]:
        return {**asdict(touched), "share": preview.share(touched)}

    return {
        "start": preview.start,
        "end": preview.end,
        "calls": preview.calls,
        "cost_usd": preview.cost_usd,
        "periods": preview.periods,
        "routed_down": told(preview.routed_down),
        "cache_only": told(preview.cache_only),
        "refused": told(preview.refused),
    }
