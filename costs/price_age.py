"""How old the prices of each provider are. No Django: the doctor asks as well.

A row of the shipped table is as old as the table, whenever it was installed; any other
row is as old as its being entered or imported. An import that says the same of a row
makes it as young as itself.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from costs import price_table

# Providers announce prices some weeks ahead, and change them a few times a year.
OLD: Final = dt.timedelta(days=60)

NEWEST: Final = """
SELECT split_part(model, '/', 1), max(greatest(confirmed_at,
    CASE WHEN source LIKE %(table)s THEN %(collected)s::timestamptz
         ELSE created_at END))
FROM costs_price GROUP BY 1 ORDER BY 2, 1 LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class Age:
    """Since when the newest price of a provider has been known."""

    provider: str
    as_of: dt.datetime

    def days(self, now: dt.datetime) -> int:
        """Return the whole days since then."""
        return max(0, (now - self.as_of).days)

    def is_old(self, now: dt.datetime) -> bool:
        """Say whether somebody should look whether it is still true."""
        return now - self.as_of > OLD


def newest_values() -> dict[str, Any]:
    """Return the values of NEWEST."""
    return {"table": "price_table.json%", "collected": price_table.collected_at()}


def ages(rows: Iterable[Any]) -> list[Age]:
    """Read the rows of NEWEST, oldest first."""
    return [Age(provider, as_of) for provider, as_of in rows]
