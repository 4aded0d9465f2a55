"""Importing a price list over REST: a preview first, then all of it or nothing."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.price_files import MAX_BYTES, read_file
from costs.price_import import VERDICTS, Review
from costs.price_importing import import_prices, preview
from costs.price_rows import RATES, UNITS
from devora_ops.common.rest.fields import (
    MoneyField,
    NameField,
    StrictSerializer,
    TextField,
    TruthField,
)
from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.parsers import StrictJSONParser
from devora_ops.common.rest.permissions import caller_name

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class FormTruthField(TruthField):
    """A truth in a form, where everything is text: true, false, 1 or 0."""

    default_empty_html = serializers.empty  # a form may leave it out

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        return super().to_internal_value(_TRUTHS.get(data, data))


class AcceptedField(serializers.ListField):
    """Names of models; in a form, the field is repeated."""

    child = NameField(max_length=300)

    def get_value(self, dictionary: Any) -> Any:
        """Return what stands under the name, in a form too."""
        if hasattr(dictionary, "getlist"):
            return dictionary.getlist(self.field_name) or serializers.empty
        return dictionary.get(self.field_name, serializers.empty)


class _ImportFields(StrictSerializer):
    unit = serializers.ChoiceField(
        list(UNITS), required=False, help_text="Of rows without a unit of their own."
    )
    accept_suspicious = AcceptedField(
        default=list, max_length=3000, help_text="Models whose doubtful rows are meant."
    )


class TextImport(_ImportFields):
    """A price list in the body. text: the CSV or JSON file as it is."""

    text = TextField(max_length=MAX_BYTES, allow_blank=True)
    dry_run = TruthField(default=True)
    source = NameField(default="REST import", max_length=200)  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the file's bytes under `content`."""
        return {**attrs, "content": attrs.pop("text").encode()}


class FileImport(_ImportFields):
    """A price list in a file."""

    file = serializers.FileField(allow_empty_file=True)
    dry_run = FormTruthField(default=True)
    source = NameField(required=False, max_length=200)  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the file's bytes under `content`, and its name for a source."""
        file = attrs.pop("file")
        # One byte more than may be is enough to refuse it.
        content = file.read(MAX_BYTES + 1)
        return {"source": file.name[:200], **attrs, "content": content}


class RatesSerializer(serializers.Serializer[Any]):
    """USD per token, and each for searches and requests; null where there is none."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Name the rates as the price table does."""
        return {name: MoneyField(allow_null=True, default=None) for name in RATES}


class ReviewedSerializer(serializers.Serializer[Any]):
    """A row and what importing it would do.

    line: of the file; of JSON, the number of the row. percent: by how much rates move.
    sentences: why it is suspicious or invalid, else what changes.
    """

    line = serializers.IntegerField(source="row.line")
    model = serializers.CharField(source="row.model")
    verdict = serializers.ChoiceField(list(VERDICTS))
    sentences = serializers.ListField(child=serializers.CharField())
    valid_from = serializers.DateTimeField()
    rates = RatesSerializer(source="row.rates")
    current = RatesSerializer(source="current.rates", allow_null=True, default=None)
    percent = serializers.DictField(child=serializers.DecimalField(12, 2))


class ImportSerializer(serializers.Serializer[Any]):
    """What an import would do, or has done. imported: ids of the price rows made."""

    dry_run = serializers.BooleanField()
    counts = serializers.DictField(child=serializers.IntegerField())
    rows = ReviewedSerializer(many=True)
    imported = serializers.ListField(child=serializers.IntegerField())


@extend_schema(tags=["prices"])
class PriceImport(APIView):
    """A price list, compared with the book and, with `dry_run: false`, added to it.

    CSV: a header with model, valid_from, unit (per_million, per_token), input, output,
    cache_read and the other rates, schedule, source. JSON: the price table's shape, or a
    list of such rows. Nothing is overwritten: rows supersede. All rows are taken or none.
    """

    scopes: ClassVar = {"POST": "admin"}
    roles: ClassVar = {"POST": "Editor"}
    parser_classes = (StrictJSONParser, MultiPartParser)

    @extend_schema(
        request={"application/json": TextImport, "multipart/form-data": FileImport},
        responses={200: ImportSerializer, 201: ImportSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Preview an import, or import."""
        as_file = (request.content_type or "").startswith("multipart/")
        body = (FileImport if as_file else TextImport)(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        rows = read_file(
            given["content"], unit=given.get("unit", ""), source=given["source"]
        )
        if given["dry_run"]:
            return _answer(preview(rows), None)
        found, made = import_prices(
            rows,
            accept_suspicious=given["accept_suspicious"],
            actor=caller_name(request),
            request_id=request_id(request),
        )
        return _answer(found, [price.pk for price in made])


def _answer(found: Review, made: list[int] | None) -> Response:
    told = {
        "dry_run": made is None,
        "counts": found.counts,
        "rows": found.rows,
        "imported": made or [],
    }
    code = status.HTTP_200_OK if made is None else status.HTTP_201_CREATED
    return Response(ImportSerializer(told).data, code)
