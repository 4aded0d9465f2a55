"""Why one period cost what another did not."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.bill_links import Links, links
from costs.bills import FILTERS, Explained, PeriodBill, explained
from costs.explaining import TERMS, Term
from costs.selectors import Slice
from devora_ops.common.rest.fields import MoneyField, TextField
from devora_ops.common.rest.parameters import RangeEndField, RangeQuery, read

_BEFORE_TOLD = "As `from` and `to`; without both, the period of equal length before."


class ExplainQuery(RangeQuery):
    """Two periods of at most 92 days, widened to whole quarters of an hour."""

    before_from = RangeEndField(required=False, help_text=_BEFORE_TOLD)
    before_to = RangeEndField(required=False, help_text=_BEFORE_TOLD)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the filters."""
        texts = {name: TextField(required=False, max_length=256) for name in FILTERS}
        return {**super().get_fields(), **texts}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Complete and check both periods."""
        attrs = super().validate(attrs)
        length = attrs["to"] - attrs["from"]
        if "before_to" not in attrs:
            begun: dt.datetime | None = attrs.get("before_from")
            attrs["before_to"] = begun + length if begun else attrs["from"]
        attrs.setdefault("before_from", attrs["before_to"] - length)
        if attrs["before_from"] >= attrs["before_to"]:
            raise serializers.ValidationError(
                {"before_from": [_("The range must begin before it ends.")]}, "range"
            )
        return attrs


class PeriodBillSerializer(serializers.Serializer[PeriodBill]):
    """What a period cost."""

    start = serializers.DateTimeField(source="period.start")
    end = serializers.DateTimeField(source="period.end")
    cost_usd = MoneyField(source="bill.total_usd")
    attempts = serializers.IntegerField()
    unpriced = serializers.IntegerField(
        help_text="Attempts on models without a price; they are not in cost_usd."
    )
    estimated = serializers.IntegerField(
        help_text="Attempts whose usage is an estimate; they are in cost_usd."
    )


class LinksSerializer(serializers.Serializer[Links]):
    """Where the attempts behind a term are listed: over REST, and as a page."""

    rest = serializers.CharField()
    page = serializers.CharField()


class TermSerializer(serializers.Serializer[Term]):
    """One reason, and what it is worth; `share` is of the difference, 1 is all of it."""

    term = serializers.ChoiceField(TERMS, source="name")
    amount_usd = MoneyField()
    share = serializers.SerializerMethodField()
    sentence = serializers.CharField(help_text="The term, then _up, _down or _same.")
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()

    def get_share(self, term: Term) -> float | None:
        """Return the share of the difference; null when there is none."""
        difference = self._explained.difference_usd
        if not difference:
            return None
        return float(term.amount_usd / difference) or 0.0  # never -0.0

    @extend_schema_field(LinksSerializer)
    def get_before(self, term: Term) -> Any:
        """Return where its attempts of before are listed."""
        return LinksSerializer(links(self._explained.before.period, term)).data

    @extend_schema_field(LinksSerializer)
    def get_after(self, term: Term) -> Any:
        """Return where its attempts are listed."""
        return LinksSerializer(links(self._explained.after.period, term)).data

    @property
    def _explained(self) -> Explained:
        found: Explained = self.context["explained"]
        return found


class ExplanationSerializer(serializers.Serializer[Explained]):
    """Two periods and why the second cost more or less; the terms sum to the last digit."""

    before = PeriodBillSerializer()
    after = PeriodBillSerializer()
    difference_usd = MoneyField()
    terms = TermSerializer(many=True)


@extend_schema(tags=["costs"], responses=ExplanationSerializer)
class CostExplanation(APIView):
    """Why a period cost more or less than another: price, volume, mix, lengths, caches…

    Retries and fallbacks, experiments, embeddings and repricing are terms of their own.
    The terms
    come in a fixed order and sum to the difference exactly.
    """

    scopes: ClassVar = {"GET": "read"}
    query = ExplainQuery

    def get(self, request: Request) -> Response:
        given = read(request, ExplainQuery)
        found = explained(
            _slice(given, "before_from", "before_to"), _slice(given, "from", "to")
        )
        context = {"explained": found}
        return Response(ExplanationSerializer(found, context=context).data)


def _slice(given: Mapping[str, Any], start: str, end: str) -> Slice:
    where = {name: given[name] for name in FILTERS if name in given}
    return Slice(given[start], given[end], where)
