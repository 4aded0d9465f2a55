"""Repricing a period over REST: a preview first, then adjustments."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.adjusting import MOST_AT_ONCE, Repricing, reprice
from costs.repricing import OUTCOMES
from devora_ops.common.rest.fields import (
    MoneyField,
    NameField,
    StrictSerializer,
    TruthField,
)
from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.parameters import RangeQuery
from devora_ops.common.rest.permissions import caller_name


class RepriceSerializer(StrictSerializer, RangeQuery):
    """Which attempts: of a model, of calls that began in a range of time."""

    model = NameField(max_length=300, help_text="provider/name")
    dry_run = TruthField(default=True)


class RepricingSerializer(serializers.Serializer[Any]):
    """What a repricing comes to. old_usd: with what earlier ones have posted.

    attempts: by what becomes of them. billed: the provider told its cost, which stays.
    unknown: nobody knows their usage. unexplained: their cost does not follow from what
    is stored, so they stay. no_price: the book has none for their time.
    """

    dry_run = serializers.BooleanField()
    model = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    attempts = serializers.DictField(child=serializers.IntegerField())
    old_usd = MoneyField()
    new_usd = MoneyField()
    difference_usd = MoneyField()
    adjustments = serializers.IntegerField()


def repricing_facts(found: Repricing, *, dry_run: bool) -> dict[str, Any]:
    """Return a repricing as REST and the command tell it."""
    names = ("model", "start", "end", "old_usd", "new_usd")
    facts = {name: getattr(found, name) for name in (*names, "difference_usd")}
    return {
        **facts,
        "dry_run": dry_run,
        "attempts": {outcome: found.outcomes[outcome] for outcome in OUTCOMES},
        "adjustments": found.adjustments,
    }


@extend_schema(tags=["prices"])
class PriceReprice(APIView):
    """What attempts cost by today's book; with `dry_run: false`, posted as adjustments.

    Nothing is rewritten and no budget's spend changes; sums of costs include adjustments.
    Repeating it posts nothing. For more than 100,000 attempts: `manage.py reprice`.
    """

    scopes: ClassVar = {"POST": "admin"}
    roles: ClassVar = {"POST": "Owner"}

    @extend_schema(
        request=RepriceSerializer,
        responses={200: RepricingSerializer, 201: RepricingSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Preview a repricing, or post it."""
        body = RepriceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        found = reprice(
            given["model"],
            given["from"],
            given["to"],
            actor=caller_name(request),
            dry_run=given["dry_run"],
            most=MOST_AT_ONCE,
            request_id=request_id(request),
        )
        facts = repricing_facts(found, dry_run=given["dry_run"])
        code = status.HTTP_200_OK if given["dry_run"] else status.HTTP_201_CREATED
        return Response(RepricingSerializer(facts).data, code)
