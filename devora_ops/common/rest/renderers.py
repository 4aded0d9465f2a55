"""How answers go out: as JSON, and rows as CSV where a view offers it."""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

from devora_ops.common.spreadsheets import harmless


class ORJSONRenderer(BaseRenderer):
    """Renders with orjson; money that no serializer touched becomes a string."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body, empty for an answer without one."""
        if data is None:
            return b""
        options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
        return orjson.dumps(data, default=_plain, option=options)


class CSVRenderer(BaseRenderer):
    """Renders the rows of an answer's `results`, each value as JSON writes it.

    The view's `csv_columns(data)` names the columns, for there may be no row. What is
    null is empty; lists are joined by spaces. A refusal stays JSON.
    """

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the file: a header, then a line for each row."""
        context = renderer_context or {}
        response = context["response"]
        if response.exception:
            response["Content-Type"] = ORJSONRenderer.media_type
            return ORJSONRenderer().render(data)
        columns = context["view"].csv_columns(data)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in orjson.loads(ORJSONRenderer().render(data["results"])):
            writer.writerow([_cell(row[name]) for name in columns])
        return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return harmless(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Promise | str):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be rendered")
