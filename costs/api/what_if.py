"""What-if of prices over REST; nothing is written."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.api.prices import RateField
from costs.price_rows import RATES
from costs.price_sanity import oddities
from costs.pricing import Price, ScheduleInvalid, make_price
from costs.selectors import prices_of
from costs.usage_sums import COLUMNS
from costs.what_if import Comparison, total_of, what_if
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.rest.fields import (
    MoneyField,
    NameField,
    StrictSerializer,
    TextField,
    WholeField,
)
from devora_ops.common.rest.parameters import RangeQuery

_MOST_PRICES = 100


class FiltersSerializer(StrictSerializer):
    """Which attempts: all that is named must match."""

    prompt_version = WholeField(min_value=0, max_value=2**31 - 1, required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the dimensions that are texts."""
        texts = [name for name in COLUMNS if name != "prompt_version"]
        fields = {name: TextField(required=False, max_length=256) for name in texts}
        return {**super().get_fields(), **fields}


class TriedPriceSerializer(StrictSerializer):
    """Another price of a model: rates as in the price book, or `as` another model's.

    schedule: tiers and the like, in the shape of the price table.
    """

    model = NameField(max_length=300, help_text="provider/name")
    schedule = serializers.JSONField(default=dict)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the rates, and `as`, which cannot be an attribute's name."""
        rates = {name: RateField() for name in RATES}
        other = NameField(required=False, max_length=300, help_text="provider/name")
        return {**super().get_fields(), **rates, "as": other}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the price under `price`."""
        rates = {name: attrs.get(name) for name in RATES}
        has_rates = any(rate is not None for rate in rates.values())
        if has_rates == ("as" in attrs):
            raise serializers.ValidationError(
                _("Give rates, or `as` with the name of another model."), "required"
            )
        if has_rates:
            row = {"id": 0, "schedule": attrs["schedule"], **rates}
            try:
                attrs["price"] = make_price(row)
            except ScheduleInvalid as error:
                raise serializers.ValidationError(
                    {"schedule": [str(error)]}, "invalid"
                ) from None
            attrs["odd"] = list(oddities(rates, attrs["schedule"]))
        return attrs


class WhatIfSerializer(StrictSerializer, RangeQuery):
    """The question. Without from and to, the last seven days."""

    prices = serializers.ListField(
        child=TriedPriceSerializer(), allow_empty=False, max_length=_MOST_PRICES
    )
    filters = FiltersSerializer(default=dict)

    def validate_prices(self, prices: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse two prices of one model."""
        if len({price["model"] for price in prices}) < len(prices):
            raise serializers.ValidationError(
                _("Give each model one price."), "duplicate"
            )
        return prices

    def answered(self) -> list[Comparison]:
        """Return the answer; call it when the data are valid."""
        given = self.validated_data
        return what_if(
            {each["model"]: _price(each) for each in given["prices"]},
            start=given["from"],
            end=given["to"],
            where=given["filters"],
        )

    def warnings(self) -> list[str]:
        """Return what is odd about the prices, in sentences."""
        return [
            f"{each['model']}: {sentence}"
            for each in self.validated_data["prices"]
            for sentence in each.get("odd", ())
        ]


class ComparisonSerializer(serializers.Serializer[Any]):
    """What usage cost, and what it would have cost.

    unpriced: attempts whose cost nobody knows; they are not in actual_usd. percent: null
    where it cost $0.
    """

    attempts = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    actual_usd = MoneyField()
    what_if_usd = MoneyField()
    difference_usd = MoneyField()
    percent = serializers.DecimalField(14, 2, allow_null=True)


class ModelComparisonSerializer(ComparisonSerializer):
    """One model. repriced: false for models that no other price was given for."""

    model = serializers.CharField()
    repriced = serializers.BooleanField()


class WhatIfAnswerSerializer(serializers.Serializer[Any]):
    """The answer, dearest model first; assumptions and warnings are sentences."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    total = ComparisonSerializer()
    results = ModelComparisonSerializer(many=True)
    assumptions = serializers.ListField(child=serializers.CharField())
    warnings = serializers.ListField(child=serializers.CharField())


@extend_schema(
    tags=["costs"], request=WhatIfSerializer, responses=WhatIfAnswerSerializer
)
class WhatIf(APIView):
    """What the same usage would have cost at other prices."""

    scopes: ClassVar = {"POST": "read"}

    def post(self, request: Request) -> Response:
        """Compare. Nothing is written."""
        body = WhatIfSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        rows = body.answered()
        answer = {
            "start": given["from"],
            "end": given["to"],
            "total": total_of(rows),
            "results": rows,
            "assumptions": assumptions(),
            "warnings": body.warnings(),
        }
        return Response(WhatIfAnswerSerializer(answer).data)


def _price(given: dict[str, Any]) -> Price:
    if "price" in given:
        price: Price = given["price"]
        return price
    row = prices_of(given["as"], at=timezone.now()).first()
    if row is None:
        told = _("%(model)s has no price.") % {"model": given["as"]}
        raise InvalidRequest(told, code="price_unknown", param="prices")
    columns = {name: getattr(row, name) for name in RATES}
    return make_price({"id": row.pk, "schedule": row.schedule, **columns})


def assumptions() -> list[str]:
    """Return what other prices take for granted, in sentences."""
    return [
        _("The same tokens: another model would count and answer differently."),
        _("The standard service tier everywhere, without regional surcharges."),
        _("Audio tokens cost what text does."),
        _("Attempts of which nobody knows the usage cost what they were charged."),
    ]
