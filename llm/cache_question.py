"""A question to the calls that were: what if the cache had been on for them?"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import sql

from costs.usage_sums import matching
from devora_ops.common.ids import first_uuid7_at

_PRICED: Final = "(a.fingerprint IS NOT NULL AND a.cost_usd IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class CacheQuestion:
    """Which calls would have had the cache, and for how long it keeps an answer.

    where: dimension of calls → value. end is exclusive.
    """

    ttl_s: int
    start: dt.datetime
    end: dt.datetime
    where: Mapping[str, Any] = field(default_factory=dict)

    def query(self, text: str, **parts: str) -> tuple[sql.Composed, dict[str, Any]]:
        """Return a query over its calls `a`, and the parameters of its condition.

        {scope}: the calls that are asked about; {priced}: whether a call's request and
        cost are known. parts: further pieces of SQL by their names.
        """
        conditions, values = matching(self.where)
        ids = sql.SQL("a.id >= %(first)s AND a.id < %(last)s")
        composed = sql.SQL(text).format(
            scope=sql.SQL(" AND ").join([ids, conditions]),
            priced=sql.SQL(_PRICED),
            **{name: sql.SQL(part) for name, part in parts.items()},
        )
        bounds = {
            "first": first_uuid7_at(self.start),
            "last": first_uuid7_at(self.end),
        }
        return composed, {**values, **bounds}
