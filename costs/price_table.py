"""The price table that ships with the product: `data/price_table.json`, read as rows.

Its prices are the providers' published ones, collected by the projects that the file
names, on the file's date. A row of the book is made for each, valid from VALID_FROM.
"""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "price_table.json"

# The table says what models cost, not since when; history older than this stays unpriced.
VALID_FROM = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

_RATES = (
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "output_audio",
)
_SCHEDULE = ("tiers", "service_tiers", "geo_multiplier")


@cache
def models() -> dict[str, dict[str, Any]]:
    """Return the table's models by `provider/name`, as the file has them."""
    return {f"{row['provider']}/{row['model']}": row for row in _table()["models"]}


def collected_at() -> dt.datetime:
    """Return the day that the table's prices were collected on."""
    day = dt.date.fromisoformat(_table()["date"])
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


@cache
def _table() -> Any:
    return json.loads(_FILE.read_text())


def price_fields(row: dict[str, Any], *, model: str) -> dict[str, Any]:
    """Return the fields of a Price row for one model of the table."""
    rates = {name: _decimal(row["prices"].get(name)) for name in _RATES}
    return rates | {
        "model": model,
        "valid_from": VALID_FROM,
        "web_search": _decimal(row.get("web_search")),
        "schedule": {name: row[name] for name in _SCHEDULE if name in row},
        "source": f"price_table.json ({row['source']})",
    }


def all_prices() -> Iterator[dict[str, Any]]:
    """Yield the fields of every Price row that the table makes."""
    for model, row in models().items():
        yield price_fields(row, model=model)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
