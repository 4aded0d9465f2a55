"""A chart as CSV: exactly what is shown, in the conventions of the reader's Excel."""

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.utils.translation import get_language

from devora_ops.common.spreadsheets import harmless
from devora_ops.dashboard.charts import Chart
from devora_ops.dashboard.windows import Window

_BOM = "\ufeff"


def csv_of(chart: Chart, window: Window, *, name: str) -> HttpResponse:
    """Return a chart's table as a file; French Excel expects `;` and decimal commas."""
    french = (get_language() or "").startswith("fr")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if french else ",")
    writer.writerows(_rows(chart, decimal_comma=french))
    zone = str(window.zone).replace("/", "-")
    filename = f"devora-{name}-{window.range.name}-{zone}.csv"
    return HttpResponse(
        _BOM + text.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _rows(chart: Chart, *, decimal_comma: bool) -> Iterable[Sequence[str]]:
    yield (
        "bucket_start_utc",
        "bucket_start_local",
        *(harmless(column) for column in chart.columns),
    )
    for row in chart.rows:
        numbers = (v.replace(".", ",") if decimal_comma else v for v in row.plain)
        yield (row.utc, row.local, *numbers)
