"""Repricing a period: what its attempts cost at today's book, posted as adjustments.

Attempts, calls and budgets stay as they were: a budget admitted and refused by what it
knew. An adjustment is the difference between what an attempt costs by the book and what
it was charged, less what earlier adjustments have posted, so repeating it posts nothing.
It is a fact as attempts are, and so rollups, and all that reads them, include it.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection, transaction
from psycopg import sql

from costs.models import Price as PriceRow
from costs.price_rows import RATES
from costs.pricing import Price, ScheduleInvalid, make_price
from costs.repricing import Outcome, StoredAttempt, repriced
from costs.rollups import FAMILIES, Key, Measures, upserts
from costs.selectors import Slice
from costs.snapshot import PriceBook
from costs.sources import ceiling, floor
from devora_ops.common import audit
from devora_ops.common.errors import Unprocessable
from devora_ops.common.ids import first_uuid7_at, uuid7_time

# A page waits for so many; the command takes as long as it takes.
MOST_AT_ONCE: Final = 100_000

_KEY = (
    "bucket",
    "team",
    "agent",
    "end_user",
    "key",
    "model",
    "prompt",
    "prompt_version",
    "experiment",
    "variant",
    "status",
)
_STORED = StoredAttempt.__slots__
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('costs.reprice'))"
_WITHIN = """
a.model = %(model)s AND a.id >= %(first)s
AND a.call_id >= %(first)s AND a.call_id < %(last)s
"""
_COUNT = f"""
SELECT count(*) FROM (
    SELECT FROM costs_attempt AS a WHERE {_WITHIN} LIMIT %(most)s
) AS found
"""
_ATTEMPTS = f"""
SELECT a.id, a.call_id, a.team, a.agent, a.end_user, a.key, a.model, a.prompt,
    a.prompt_version, a.experiment, a.variant, coalesce(c.status, 'error'),
    {", ".join(f"a.{name}" for name in _STORED)}
FROM costs_attempt AS a LEFT JOIN costs_call AS c ON c.id = a.call_id
WHERE {_WITHIN}
"""
_POSTED = f"""
SELECT {", ".join(_KEY)}, sum(cost_usd), sum(unpriced)::int
FROM costs_adjustment
WHERE model = %(model)s AND bucket >= %(start)s AND bucket < %(end)s
GROUP BY {", ".join(_KEY)}
"""
_POST = f"""
INSERT INTO costs_adjustment ({", ".join(_KEY)}, attempts, unpriced, cost_usd, posted_by)
VALUES ({", ".join(["%s"] * (len(_KEY) + 4))})
"""


_ADDED = sql.SQL(
    "SELECT coalesce(sum(cost_usd), 0), coalesce(sum(unpriced), 0)::int"
    " FROM costs_adjustment"
    " WHERE bucket >= %(start)s AND bucket < %(end)s AND {}"
)


class Adjusted(NamedTuple):
    """What adjustments add to a slice: to its cost, and to its attempts without one."""

    cost_usd: Decimal
    unpriced: int


def adjusted(part: Slice) -> Adjusted:
    """Return what adjustments have added to a slice; its where has columns of _KEY."""
    named = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in part.where
    ]
    query = _ADDED.format(sql.SQL(" AND ").join([sql.SQL("true"), *named]))
    wide = part.widened()
    with connection.cursor() as cursor:
        cursor.execute(query, {"start": wide.start, "end": wide.end, **part.where})
        return Adjusted(*cursor.fetchone())


@dataclass(slots=True)
class _Sum:
    """What the attempts of one key add to what they were charged."""

    attempts: int = 0
    unpriced: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(slots=True)
class Repricing:
    """What a repricing finds: sums in USD, and attempts by what becomes of them.

    old_usd: with what was posted before. start and end: on borders of a quarter of an
    hour. adjustments: rows that are, or would be, posted.
    """

    model: str
    start: dt.datetime
    end: dt.datetime
    old_usd: Decimal = Decimal(0)
    new_usd: Decimal = Decimal(0)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    sums: dict[Key, _Sum] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """Return how many attempts were looked at."""
        return self.outcomes.total()

    @property
    def difference_usd(self) -> Decimal:
        """Return what the adjustments come to."""
        return self.new_usd - self.old_usd

    @property
    def adjustments(self) -> int:
        """Return how many rows say it."""
        return len(self.sums)


@transaction.atomic
def reprice(
    model: str,
    start: dt.datetime,
    end: dt.datetime,
    *,
    actor: str,
    dry_run: bool = True,
    most: int | None = None,
    request_id: str = "",
) -> Repricing:
    """Reprice a model's attempts of calls that began in a period, end exclusive.

    The period is widened to whole quarters of an hour. most: raises Unprocessable when
    there are more attempts. A dry run says what would be posted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_ONE_AT_A_TIME)
    found = Repricing(model, floor(start), ceiling(end))
    _check_count(found, most)
    _add_up(found)
    if not dry_run:
        _post(found, actor)
        audit.record(
            actor=actor,
            action="price.reprice",
            object_type="costs.price",
            object_id=model[:200],
            after={
                "from": found.start.isoformat(),
                "to": found.end.isoformat(),
                "attempts": dict(found.outcomes),
                "old_usd": str(found.old_usd),
                "new_usd": str(found.new_usd),
            },
            request_id=request_id,
        )
    return found


def _values(found: Repricing, **more: Any) -> dict[str, Any]:
    return {
        "model": found.model,
        "start": found.start,
        "end": found.end,
        "first": first_uuid7_at(found.start),
        "last": first_uuid7_at(found.end),
        **more,
    }


def _check_count(found: Repricing, most: int | None) -> None:
    if most is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, _values(found, most=most + 1))
        if cursor.fetchone()[0] > most:
            raise Unprocessable(
                f"More than {most} attempts: shorten the period, or use "
                "`manage.py reprice`.",
                code="too_many",
                param="from",
            )


def _add_up(found: Repricing) -> None:
    """Price every attempt anew, and keep what differs from all that is posted."""
    book, by_id = _prices(found.model)
    sums: defaultdict[Key, _Sum] = defaultdict(_Sum)
    for attempt_id, key, attempt in _attempts(found):
        old = by_id.get(attempt.price_id or 0)
        new = book.price(found.model, uuid7_time(attempt_id))
        outcome, cost = repriced(attempt, old=old, new=new)
        found.outcomes[outcome] += 1
        found.old_usd += attempt.cost_usd or 0
        found.new_usd += cost or 0
        mine = sums[key]
        mine.attempts += outcome == "repriced"
        mine.cost_usd += (cost or 0) - (attempt.cost_usd or 0)
        mine.unpriced -= attempt.cost_usd is None and cost is not None
    for key, posted_usd, unpriced in _posted(found):
        if key in sums:  # else its attempts are past their retention
            found.old_usd += posted_usd
            sums[key].cost_usd -= posted_usd
            sums[key].unpriced -= unpriced
    found.sums = {k: s for k, s in sums.items() if s.cost_usd or s.unpriced}


def _attempts(found: Repricing) -> Iterator[tuple[Any, Key, StoredAttempt]]:
    # On the server: a period may have more attempts than memory holds.
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ATTEMPTS, _values(found))
        for row in cursor:
            bucket = floor(uuid7_time(row[1]))
            told = dict(zip(_STORED, row[12:], strict=True))
            if told["raw_usage"] is not None:  # Django leaves JSON as it is written
                told["raw_usage"] = orjson.loads(told["raw_usage"])
            yield row[0], (bucket, *row[2:12]), StoredAttempt(**told)


def _posted(found: Repricing) -> list[tuple[Key, Decimal, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, _values(found))
        return [(tuple(row[:-2]), row[-2], row[-1]) for row in cursor.fetchall()]


def _prices(model: str) -> tuple[PriceBook, dict[int, Price]]:
    rows = PriceRow.objects.filter(model=model).order_by("valid_from")
    starts, prices = [], []
    for row in rows:
        columns = {name: getattr(row, name) for name in RATES}
        try:
            price = make_price({"id": row.pk, "schedule": row.schedule, **columns})
        except ScheduleInvalid:
            continue  # as the gateway leaves it out
        starts.append(row.valid_from)
        prices.append(price)
    book = PriceBook({model: starts}, {model: prices})
    return book, {price.id: price for price in prices}


def _post(found: Repricing, actor: str) -> None:
    """Write the adjustments, and add them to the rollups in the same transaction."""
    rows = [
        (*key, mine.attempts, mine.unpriced, mine.cost_usd, actor)
        for key, mine in found.sums.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_POST, rows)
        for statement, folded in upserts(_rollup_rows(found.sums)):
            cursor.execute(statement.decode(), [folded])


def _rollup_rows(
    sums: Mapping[Key, _Sum],
) -> dict[str, dict[Key, Measures]]:
    """Fold adjustments into rows of the rollups; minutes last three hours, and stay."""
    tables: dict[str, dict[Key, Measures]] = {}
    for table in ("costs_rollup_work", "costs_rollup_who"):
        places = [_KEY.index(name) for name in FAMILIES[table]]
        folded: defaultdict[Key, Measures] = defaultdict(Measures)
        for key, mine in sums.items():
            measures = folded[tuple(key[place] for place in places)]
            measures.cost_usd += mine.cost_usd
            measures.unpriced += mine.unpriced
        tables[table] = folded
    return tables
