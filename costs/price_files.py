"""A file of prices, CSV or JSON, as rows. Pure.

CSV has a header of the columns' names. JSON is the price table's shape, which is always
per token, or a list of objects with the names of the columns.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from django.utils.translation import gettext as _

from costs.price_rows import COLUMNS, PER_TOKEN, ProposedPrice, read_row
from devora_ops.common.errors import DevoraError
from devora_ops.common.strict_json import StrictJSONError, loads

# The shipped table is 150 kB for 293 models; nobody calls ten times as many.
MAX_BYTES: Final = 2**20
MAX_ROWS: Final = 3000
_MOST_NAMES = 10  # in a sentence
_TABLE = ("note", "date", "sources", "models")
_SCHEDULE = ("tiers", "service_tiers", "geo_multiplier")
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF")


class FileRefused(DevoraError):
    """A file that is none of prices; nothing of it is read."""

    status = 422

    def __init__(self, code: str, message: str, *, status: int = 422) -> None:
        super().__init__(message, code=code, status=status, param="file")


def read_file(content: bytes, *, unit: str = "", source: str) -> list[ProposedPrice]:
    """Return the file's rows in order, each read as far as it can be.

    unit: of rows that say none. source: what the rows without one are said to be from.
    Raises FileRefused.
    """
    if len(content) > MAX_BYTES:
        told = _("A file of prices has at most %(size)s kB.") % {
            "size": MAX_BYTES // 1024
        }
        raise FileRefused("payload_too_large", told, status=413)
    text = _text(content)
    if not (begins := text.lstrip()[:1]):
        raise FileRefused("empty_file", _("The file is empty."))
    read = _json_rows if begins in "[{" else _csv_rows
    rows = []
    for line, cells, trouble in read(text):
        row = read_row(line, cells, unit=unit, source=source)
        rows.append(replace(row, problems=(trouble,)) if trouble else row)
        if len(rows) > MAX_ROWS:
            told = _("At most %(count)s rows.") % {"count": MAX_ROWS}
            raise FileRefused("too_many_rows", told)
    if not rows:
        raise FileRefused("no_rows", _("The file has no rows."))
    return _without_twins(rows)


def _text(content: bytes) -> str:
    if content.startswith(_NOT_TEXT):
        raise FileRefused(
            "type_mismatch", _("Send CSV or JSON, no other kind of file."), status=415
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("encoding", _("The file is not UTF-8.")) from None
    if "\0" in text:
        raise FileRefused("nul_character", _("The file has NUL characters."))
    return text


_Row = tuple[int, Mapping[str, Any], str]  # line, cells, what is wrong with the row


def _csv_rows(text: str) -> Iterator[_Row]:
    # Line ends are read as the csv module reads them: LF, CRLF and CR, also mixed.
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, skipinitialspace=True
    )
    header = _next(reader)
    _check_header(header or [])
    while (cells := _next(reader)) is not None:
        trouble = ""
        if len(cells) != len(header or []):
            trouble = _("The row has %(count)s cells, the header has %(wanted)s.") % {
                "count": len(cells),
                "wanted": len(header or []),
            }
        named = zip(header or [], (cell.strip() for cell in cells), strict=False)
        yield reader.line_num, dict(named), trouble


def _next(reader: Any) -> list[str] | None:
    """Return the next line that is not blank, or None behind the last."""
    try:
        return next((row for row in reader if any(map(str.strip, row))), None)
    except csv.Error as error:
        too_long = "limit" in str(error)
        values = {"line": reader.line_num}
        told = (
            _("Line %(line)s: a cell is too long.")
            if too_long
            else _("Line %(line)s: a quote is out of place.")
        )
        code = "field_too_long" if too_long else "parse_error"
        raise FileRefused(code, told % values) from None


def _check_header(header: list[str]) -> None:
    header[:] = [name.strip().lower() for name in header]
    if len(header) == 1:
        raise FileRefused(
            "missing_columns",
            _("The header has one column: columns are separated by commas."),
        )
    if "" in header or len(set(header)) < len(header):
        raise FileRefused(
            "invalid_header", _("Every column has a name of its own in the header.")
        )
    if unknown := sorted(set(header) - set(COLUMNS)):
        raise FileRefused("unknown_columns", _unknown(unknown))
    if "model" not in header:
        raise FileRefused("missing_columns", _("The header lacks the column model."))


def _unknown(names: list[str]) -> str:
    return _("Unknown: %(names)s. The columns are %(columns)s.") % {
        "names": ", ".join(name[:50] for name in names[:_MOST_NAMES]),
        "columns": ", ".join(COLUMNS),
    }


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        given = loads(text.encode(), max_bytes=MAX_BYTES)
    except (StrictJSONError, UnicodeEncodeError) as error:
        code = getattr(error, "code", "surrogate")
        raise FileRefused(code, str(error)[:200]) from None
    as_table = isinstance(given, dict)
    if as_table:
        if unknown := sorted(given.keys() - set(_TABLE)):
            raise FileRefused("unknown_columns", _unknown(unknown))
        given = given.get("models")
    if not isinstance(given, list):
        raise FileRefused(
            "invalid", _("The JSON is a list of rows, or an object with models.")
        )
    for number, row in enumerate(given, start=1):
        if not isinstance(row, dict):
            yield number, {}, _("The row is no object.")
        elif as_table:
            yield number, _table_cells(row), ""
        elif unknown := sorted(row.keys() - set(COLUMNS)):
            yield number, row, _unknown(unknown)
        else:
            yield number, row, ""


def _table_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a row of the price table; what is no price is left out."""
    prices = row.get("prices")
    prices = prices if isinstance(prices, dict) else {}
    schedule = {name: row[name] for name in _SCHEDULE if name in row}
    return {
        **{name: prices.get(name) for name in PER_TOKEN},
        "model": f"{row.get('provider')}/{row.get('model')}",
        "unit": "per_token",
        "web_search": row.get("web_search"),
        "schedule": schedule or None,
    }


def _without_twins(rows: list[ProposedPrice]) -> list[ProposedPrice]:
    """Name the rows that price one model twice from the same moment on.

    Names that differ in case alone are one: a provider that has both is unheard of.
    """
    lines: defaultdict[tuple[str, Any], list[int]] = defaultdict(list)
    for row in rows:
        lines[row.model.lower(), row.valid_from].append(row.line)
    return [
        _twin(row, lines[row.model.lower(), row.valid_from]) if row.model else row
        for row in rows
    ]


def _twin(row: ProposedPrice, lines: list[int]) -> ProposedPrice:
    if len(lines) == 1:
        return row
    told = _("The same model twice: lines %(lines)s.") % {
        "lines": ", ".join(map(str, lines[:_MOST_NAMES]))
    }
    return replace(row, problems=(*row.problems, told))
