"""What was spent and how it went."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.models import CallStatus
from costs.selectors import Slice, Spend, overview, spend_by, total_spend
from costs.sources import DIMENSIONS, TIMES
from devora_ops.common.rest.fields import (
    ChoicesField,
    MillisecondsField,
    MoneyField,
    TextField,
    TimeZoneField,
)
from devora_ops.common.rest.parameters import RangeQuery, read
from devora_ops.common.rest.renderers import CSVRenderer, ORJSONRenderer

_UTC = ZoneInfo("UTC")
_TEXTS = (
    "team",
    "agent",
    "user",
    "key",
    "provider",
    "model",
    "prompt",
    "experiment",
    "variant",
)
_LIMIT_TOLD = (
    "At most so many rows, the dearest; rows without a value of a dimension are never cut "
    "with the cheap ones, up to so many come besides."
)
_FILTERS = (*_TEXTS, "prompt_version", "status")


class SumsQuery(RangeQuery):
    """Which part of the ledger; widened to whole quarters of an hour.

    Experiments, and users or keys together with prompts or variants, reach back for
    24 hours; everything else for as long as the ledger does.
    """

    status = serializers.ChoiceField(CallStatus.choices, required=False)
    prompt_version = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the filters."""
        texts = {name: TextField(required=False, max_length=256) for name in _TEXTS}
        return {**super().get_fields(), **texts}


class CostsQuery(SumsQuery):
    """Which sums: up to three dimensions, such as `by=model,agent` or `by=day`."""

    by = ChoicesField((*DIMENSIONS, *TIMES), most=3, required=False)
    tz = TimeZoneField(required=False, help_text="Whose hours and days; default UTC.")
    limit = serializers.IntegerField(
        min_value=1, max_value=500, default=100, help_text=_LIMIT_TOLD
    )


class SpendSerializer(serializers.Serializer[Any]):
    """The measures of one sum."""

    calls = serializers.IntegerField()
    attempts = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_usd = MoneyField()
    saved_usd = MoneyField()
    unpriced = serializers.IntegerField(
        help_text="Attempts on models without a price; they are not in cost_usd."
    )
    scored = serializers.IntegerField(help_text="Calls that somebody judged.")
    quality_score = serializers.FloatField(
        allow_null=True, help_text="Their mean score, 0 to 10; null without one."
    )


class SpendRowSerializer(SpendSerializer):
    """One row: the values of the dimensions asked for, then the measures.

    unattributed: the dimensions of which its calls had none; their values are empty.
    """

    unattributed = serializers.ListField(
        child=serializers.CharField(), help_text="Dimensions that the calls lacked."
    )

    def to_representation(self, instance: Spend) -> dict[str, Any]:
        """Return the row flat."""
        return {**instance.keys, **super().to_representation(instance)}


class CostsSerializer(serializers.Serializer[Any]):
    """A cost summary. Rows come dearest first; total is over all of them."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    by = serializers.ListField(child=serializers.CharField())
    total = SpendSerializer()
    results = SpendRowSerializer(many=True)


class QuantilesSerializer(serializers.Serializer[Any]):
    """Percentiles within 2.5 %; null without a measurement."""

    p50 = MillisecondsField()
    p95 = MillisecondsField()
    p99 = MillisecondsField()


class OverviewSerializer(serializers.Serializer[Any]):
    """The figures of the Overview page."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    total = SpendSerializer()
    calls_by_status = serializers.DictField(child=serializers.IntegerField())
    success_rate = serializers.FloatField(allow_null=True)
    cache_hit_rate = serializers.FloatField(allow_null=True)
    latency_ms = QuantilesSerializer()
    ttft_ms = QuantilesSerializer()


def _slice(given: Mapping[str, Any]) -> Slice:
    where = {name: given[name] for name in _FILTERS if name in given}
    return Slice(given["from"], given["to"], where).widened()


@extend_schema(tags=["costs"], responses=CostsSerializer)
class CostSummary(APIView):
    """What was spent, by any of the ledger's dimensions and by hour or day.

    As CSV (`format=csv`, or `Accept: text/csv`) the rows alone, as JSON has them; a name
    that a spreadsheet would run has an apostrophe before it.
    """

    scopes: ClassVar = {"GET": "read"}
    query = CostsQuery
    renderer_classes = (ORJSONRenderer, CSVRenderer)

    def get(self, request: Request) -> Response:
        given = read(request, CostsQuery)
        part = _slice(given)
        by = given.get("by", ("model",))
        rows = spend_by(by, part, zone=given.get("tz", _UTC), limit=given["limit"])
        summary = {
            "start": part.start,
            "end": part.end,
            "by": by,
            "total": total_spend(part, by),
            "results": rows,
        }
        return Response(CostsSerializer(summary).data)

    def csv_columns(self, data: Mapping[str, Any]) -> list[str]:
        """Return the columns of the rows as CSV."""
        return [*data["by"], *SpendRowSerializer().fields]


@extend_schema(tags=["metrics"], responses=OverviewSerializer)
class MetricsOverview(APIView):
    """Spend, calls, latency, success and cache hits of a range."""

    scopes: ClassVar = {"GET": "read"}
    query = SumsQuery

    def get(self, request: Request) -> Response:
        part = _slice(read(request, SumsQuery))
        found = overview(part)
        figures = {
            "start": part.start,
            "end": part.end,
            "total": found.total,
            "calls_by_status": found.by_status,
            "success_rate": found.success_rate,
            "cache_hit_rate": found.cache_hit_rate,
            "latency_ms": asdict(found.latency_ms),
            "ttft_ms": asdict(found.ttft_ms),
        }
        return Response(OverviewSerializer(figures).data)
