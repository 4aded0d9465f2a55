"""What is wrong with the price book: holes, and bills that say otherwise."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.price_watch import price_drift, unpriced_models
from devora_ops.common.rest.fields import MoneyField


class UnpricedSerializer(serializers.Serializer[Any]):
    """A model that was called without a price. attempts: whose cost nobody knows.

    priced_now: calls to come have a price; those that were made keep none.
    """

    model = serializers.CharField()
    attempts = serializers.IntegerField()
    last_called_at = serializers.DateTimeField()
    priced_now = serializers.BooleanField()


class UnpricedListSerializer(serializers.Serializer[Any]):
    """The models, most attempts first."""

    results = UnpricedSerializer(many=True)


class DriftSerializer(serializers.Serializer[Any]):
    """What was billed for a model, and what our prices say of the same attempts.

    percent: by how much the bills exceed our prices; null where those say $0.
    """

    model = serializers.CharField()
    attempts = serializers.IntegerField()
    billed_usd = MoneyField()
    book_usd = MoneyField()
    difference_usd = serializers.SerializerMethodField()
    percent = serializers.DecimalField(14, 2, allow_null=True)

    def get_difference_usd(self, drift: Any) -> str:
        """Return what was billed beyond our prices."""
        return str(MoneyField().to_representation(drift.billed_usd - drift.book_usd))


class DriftListSerializer(serializers.Serializer[Any]):
    """The models, furthest apart first."""

    results = DriftSerializer(many=True)


@extend_schema(tags=["prices"], responses=UnpricedListSerializer)
class UnpricedModels(APIView):
    """Models that were called without a price in the last 30 days."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request) -> Response:
        return Response(UnpricedListSerializer({"results": unpriced_models()}).data)


@extend_schema(tags=["prices"], responses=DriftListSerializer)
class PriceDrift(APIView):
    """What providers billed in the last 30 days beside what our prices say."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request) -> Response:
        return Response(DriftListSerializer({"results": price_drift()}).data)
