"""A provider's invoice against what the ledger says."""

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.invoice_csv import MOST_BYTES, read_invoice
from costs.invoices import compare_invoice
from costs.reconciling import CAUSES
from devora_ops.common.errors import PayloadTooLarge
from devora_ops.common.rest.fields import MoneyField, StrictSerializer, TimeZoneField
from devora_ops.common.rest.parameters import read
from devora_ops.common.rest.parsers import CSVParser

_UTC = ZoneInfo("UTC")


class InvoiceQuery(serializers.Serializer[Any]):
    """Whose days the invoice's are."""

    tz = TimeZoneField(required=False, help_text="Whose days they are; default UTC.")


class InvoiceFile(StrictSerializer):
    """An invoice as the file of a form."""

    file = serializers.FileField(allow_empty_file=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    """Two amounts, and how much more the provider charges; percent is of ours."""

    ours_usd = MoneyField(allow_null=True)
    theirs_usd = MoneyField(allow_null=True)
    difference_usd = MoneyField()
    percent = serializers.FloatField(allow_null=True)


class InvoiceLineSerializer(DifferenceSerializer):
    """A model's day in both books; null where one of them does not have it."""

    day = serializers.DateField()
    model = serializers.CharField()
    cause = serializers.ChoiceField(
        CAUSES, help_text="The likeliest reason; empty where both say the same."
    )


class ReportSerializer(DifferenceSerializer):
    """An invoice against the ledger; matched: the same to the cent."""

    first_day = serializers.DateField()
    last_day = serializers.DateField()
    matched = InvoiceLineSerializer(many=True)
    unmatched = InvoiceLineSerializer(many=True)


@extend_schema(
    tags=["costs"],
    parameters=[InvoiceQuery],
    request={"text/csv": OpenApiTypes.STR, "multipart/form-data": InvoiceFile},
    responses=ReportSerializer,
)
class InvoiceCheck(APIView):
    """Compare a provider's invoice with the ledger, by day and model.

    CSV with the columns date, model, amount_usd and, if you like, provider; up to 5 MB
    and 92 days. Nothing is stored: ask again with the file.
    """

    scopes: ClassVar = {"POST": "read"}
    parser_classes = (CSVParser, MultiPartParser)
    query = InvoiceQuery

    def post(self, request: Request) -> Response:
        given = read(request, InvoiceQuery)
        invoice = read_invoice(_content(request))
        report = compare_invoice(invoice, zone=given.get("tz", _UTC))
        return Response(ReportSerializer(report).data)


def _content(request: Request) -> bytes:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        raise PayloadTooLarge(_("An invoice has at most 5 MB."))
    data: Any = request.data
    if isinstance(data, bytes):
        return data
    # A request without a body is an empty form, whatever it was meant to be.
    if not (request.content_type or "").startswith("multipart/"):
        return b""
    form = InvoiceFile(data=data if isinstance(data, QueryDict) else {})
    form.is_valid(raise_exception=True)
    content: bytes = form.validated_data["file"].read()
    return content
