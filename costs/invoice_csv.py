"""A provider's invoice as CSV in, its lines out. Pure; says which line is wrong."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn

from django.utils.translation import gettext as _

from devora_ops.common.errors import DevoraError, PayloadTooLarge, Unprocessable
from devora_ops.common.text import TextRefused, clean_name

MOST_BYTES: Final = 5 * 2**20
MOST_ROWS: Final = 50_000
_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "date": frozenset({"date", "day", "usagedate", "billingdate"}),
    "model": frozenset({"model", "modelname", "modelid"}),
    "amount_usd": frozenset(
        {"amountusd", "amount", "costusd", "cost", "usd", "totalusd", "total"}
    ),
    "provider": frozenset({"provider", "vendor"}),
}
_OPTIONAL: Final = frozenset({"provider"})
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT: Final = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")
_BINARY: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-", b"\x1f\x8b")


class NoCsv(DevoraError):
    """The bytes are a spreadsheet, or something else that is no text."""

    status = 415
    code = "type_mismatch"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What a provider charges for a model on a day; provider: empty when not told."""

    day: dt.date
    model: str
    amount_usd: Decimal
    provider: str = ""


def read_invoice(content: bytes) -> list[InvoiceLine]:
    """Return the lines of an invoice; all of them, or none.

    Columns stand in any order and under several spellings (`Amount (USD)`, `cost_usd`);
    those that are not known are passed over. Raises Unprocessable with the line's
    number in `extra`, NoCsv, PayloadTooLarge.
    """
    if len(content) > MOST_BYTES:
        raise PayloadTooLarge(_("An invoice has at most 5 MB."), param="file")
    if content.startswith(_BINARY):
        raise NoCsv(_("This is no CSV file: save the sheet as CSV, in UTF-8."))
    rows = _rows(content)
    header = next(rows, None)
    if header is None:
        _refuse(1, _("The file is empty."), "empty_file")
    places = _places(*header)
    lines: list[InvoiceLine] = []
    for number, cells in rows:
        if len(lines) == MOST_ROWS:
            _refuse(number, _("More than %(n)s lines.") % {"n": MOST_ROWS}, "too_many")
        lines.append(_line(number, cells, places, len(header[1])))
    if not lines:
        _refuse(1, _("There is a header and no line below it."), "no_rows")
    return lines


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the number of its last line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        _refuse(line, _("This is no UTF-8 text."), "encoding")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        code = "field_too_long" if "limit" in str(error) else "invalid_csv"
        told = _("The line cannot be read: a quote is open, or a cell is too long.")
        _refuse(reader.line_num, told, code)


def _places(number: int, header: Sequence[str]) -> dict[str, int]:
    """Return where each column stands."""
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        _refuse(number, _("Separate the columns by commas."), "delimiter")
    if not all(cell.strip() for cell in header):
        _refuse(number, _("A column of the header has no name."), "invalid_header")
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        spelling = re.sub(r"[^a-z]", "", cell.lower())
        for name, spellings in _COLUMNS.items():
            if spelling in spellings:
                if name in places:
                    told = _("Two columns could be %(name)s.") % {"name": name}
                    _refuse(number, told, "duplicate_column")
                places[name] = place
    if lacking := _COLUMNS.keys() - places.keys() - _OPTIONAL:
        told = _("A column is missing: %(names)s.")
        _refuse(number, told % {"names": ", ".join(sorted(lacking))}, "missing_columns")
    return places


def _line(
    number: int, cells: Sequence[str], places: Mapping[str, int], width: int
) -> InvoiceLine:
    if len(cells) != width:
        told = _("%(found)s cells where the header has %(wanted)s.")
        _refuse(number, told % {"found": len(cells), "wanted": width}, "columns")
    found = {name: cells[place].strip() for name, place in places.items()}
    return InvoiceLine(
        _day(number, found["date"]),
        _name(number, found["model"]),
        _amount(number, found["amount_usd"]),
        _name(number, found["provider"]) if found.get("provider") else "",
    )


def _day(number: int, text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year < 2200:
        _refuse(number, _("Write the date as YYYY-MM-DD."), "invalid_date")
    return day


def _name(number: int, text: str) -> str:
    try:
        return clean_name(text, max_length=256)
    except TextRefused as refusal:
        _refuse(number, refusal.message, refusal.code)


def _amount(number: int, text: str) -> Decimal:
    if not text:
        _refuse(number, _("The amount is missing."), "blank")
    if not _AMOUNT.fullmatch(text):
        told = _("Write the amount as plain dollars, such as 12.50, up to nine places.")
        _refuse(number, told, "invalid_number")
    return Decimal(text)


def _refuse(number: int, told: str, code: str) -> NoReturn:
    message = _("Line %(number)s: %(told)s") % {"number": number, "told": told}
    raise Unprocessable(message, code=code, param="file", extra={"line": number})
