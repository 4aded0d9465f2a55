"""The price book: read by everybody; Editors and keys with `admin` supersede."""

from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from costs.models import Price
from costs.price_importing import doubts_about
from costs.pricing import Rates
from costs.selectors import prices_of
from costs.services import add_price
from devora_ops.common.rest.fields import (
    MomentField,
    MoneyField,
    NameField,
    StrictSerializer,
    TextField,
    TruthField,
)
from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.parameters import RangeEndField, read
from devora_ops.common.rest.permissions import caller_name


class PricesQuery(serializers.Serializer[Any]):
    """Which rows: of a model; those in force at a moment instead of all there were."""

    model = TextField(required=False, max_length=300)
    at = RangeEndField(required=False, help_text="ISO 8601 with an offset, or `now`.")


class RateField(MoneyField):
    """US dollars for one unit; prices of tokens go far below nine places."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=26,
            decimal_places=18,
            max_value=Decimal(1_000_000),
            required=False,
            allow_null=True,
            **options,
        )


class PriceSerializer(StrictSerializer):
    """What a model costs from a moment on: USD per token, per search, per request.

    Without valid_from, from now on. schedule: tiers, service_tiers and geo_multiplier,
    in the shape of the price table.
    """

    id = serializers.IntegerField(read_only=True)
    model = NameField(max_length=300, help_text="provider/name")
    valid_from = MomentField(required=False)
    web_search = RateField()
    per_request = RateField()
    schedule = serializers.JSONField(required=False)
    source = NameField(default="REST", max_length=200)  # type: ignore[assignment]
    confirm = TruthField(
        write_only=True,
        default=False,
        help_text="Take the price although it looks like a slip of units.",
    )
    created_at = serializers.DateTimeField(read_only=True)
    confirmed_at = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="When an import last said the same of it.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the rates of tokens, by the names that the price table has."""
        rates = {name: RateField() for name in Rates.__slots__}
        return {**super().get_fields(), **rates}

    def validate_valid_from(self, value: Any) -> Any:
        """Refuse a moment that nobody means."""
        if not 2000 <= value.year < 2200:
            raise serializers.ValidationError("That is too far from today.", "range")
        return value


class AddedPriceSerializer(PriceSerializer):
    """A price that was just added; doubts: what is odd about it, in sentences."""

    doubts = serializers.SerializerMethodField()

    def get_doubts(self, price: Price) -> list[str]:
        """Return what somebody should look at once more."""
        return list(doubts_about(price))


@extend_schema(tags=["prices"])
class PriceList(generics.ListAPIView[Price]):
    """Price rows, newest first; a POST adds one, which supersedes the older ones."""

    scopes: ClassVar = {"GET": "read", "POST": "admin"}
    roles: ClassVar = {"POST": "Editor"}
    query = PricesQuery
    serializer_class = PriceSerializer

    def get_queryset(self) -> QuerySet[Price]:
        """Return the rows that the parameters name."""
        given = read(self.request, PricesQuery)
        return prices_of(given.get("model"), at=given.get("at"))

    @extend_schema(responses={201: AddedPriceSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a price; one that looks like a slip of units is refused unless confirmed."""
        body = PriceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = {"valid_from": timezone.now(), **body.validated_data}
        made = add_price(
            actor=caller_name(request),
            request_id=request_id(request),
            confirmed=fields.pop("confirm"),
            **fields,
        )
        return Response(AddedPriceSerializer(made).data, status.HTTP_201_CREATED)
