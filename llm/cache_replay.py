"""The replay of the cache's rule over calls that were, by Postgres.

Of a giant that is cut, each block is replayed alone. What the cache held when it began is
told by steady traffic: an answer's age is then anything up to the time from one to the
next, its life and the wait for who asks after it. The hash of the block decides. The true
age would make one hit more or less of a block: every later answer is asked for no sooner
than the one before, and no later than the next. A block that always began empty would
miss once too often in each, which a long life makes more than all true misses.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from costs.sampling import GROUPS, Expanded, estimated
from llm.cache_drawing import AGE_HASH, GROUP_HASH, UNITS, Drawing, Stratum
from llm.cache_question import CacheQuestion

# By COPY, which streams, and which several processes may work for, as for no cursor.
# alive: until when there is an answer from before the block, which starts and ends.
_REPLAYED: Final = """
COPY (
SELECT is_giant, model, {group}, count(*), count(*) FILTER (WHERE until > began),
    sum(cost_usd), coalesce(sum(cost_usd + saved_usd) FILTER (WHERE until <= began), 0)
FROM (
    SELECT *, greatest(alive, lag(after) OVER same) AS until FROM (
        SELECT *, llm_cached_until(began, ended, kept AND began >= alive, %(ttl_s)s)
            OVER (same ROWS UNBOUNDED PRECEDING) AS after
        FROM (
            SELECT *, {alive} AS alive FROM (
                SELECT a.id, a.model, a.fingerprint, a.cost_usd, a.saved_usd,
                    a.status IN ('ok', 'cached') AS kept,
                    extract(epoch FROM a.finished_at)::double precision AS ended,
                    extract(epoch FROM a.finished_at)::double precision
                        - a.latency_ms / 1000.0 AS began,
                    g.step IS NOT NULL AS is_giant, b.block,
                    (%(moments)s::float8[])[b.block * g.step + 1] AS starts,
                    (%(moments)s::float8[])[(b.block + 1) * g.step + 1] AS ends
                FROM costs_call AS a {units}
                WHERE {scope} AND {priced}
                    AND CASE WHEN g.step IS NULL THEN {rest} ELSE {of_giants} END
            ) AS read
            WINDOW whole AS (PARTITION BY fingerprint, block)
        ) AS seen
        WINDOW same AS (PARTITION BY fingerprint, block ORDER BY began, id)
    ) AS stored
    WINDOW same AS (PARTITION BY fingerprint, block ORDER BY began, id)
) AS replayed
GROUP BY 1, 2, 3
) TO STDOUT
"""
_TYPES: Final = ("bool", "text", "int8", "int8", "int8", "numeric", "numeric")
_GROUP: Final = f"{GROUP_HASH} & {GROUPS - 1}"
_EMPTY: Final = "'-Infinity'::double precision"
_LIFE: Final = "(avg(ended - began) OVER whole + %(ttl_s)s)"
# No answer is older than the period, which begins with none.
_ALIVE: Final = f"""
CASE WHEN block = 0 THEN {_EMPTY} ELSE
    starts + {_LIFE} - ({AGE_HASH} & 65535) / 65536.0 * least(
        {_LIFE} + (ends - starts) / count(*) OVER whole, starts - %(start)s)
END
"""


@dataclass(slots=True)
class Part:
    """Calls of a stratum that were read. groups: as `estimated` takes them."""

    groups: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    calls: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    hits: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    costs: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    tried: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )

    def add(
        self,
        model: str,
        group: int,
        calls: int,
        hits: int,
        actual: Decimal,
        tried: Decimal,
    ) -> None:
        """Take in the calls of one model in one group."""
        before, after = self.groups.get(group, (Decimal(0), Decimal(0)))
        self.groups[group] = (before + actual, after + tried)
        self.calls[model] += calls
        self.hits[model] += hits
        self.costs[model] += actual
        self.tried[model] += tried

    @property
    def read(self) -> int:
        """How many calls were read."""
        return sum(self.calls.values())


@dataclass(frozen=True, slots=True)
class Replayed:
    """A stratum, what was read of it, and what that says of all of it."""

    stratum: Stratum
    part: Part

    @property
    def estimate(self) -> Expanded:
        """Return what it would have cost."""
        known = self.stratum.actual_usd
        return estimated(self.stratum.drawn, self.part.groups, known=known)

    @property
    def times(self) -> Decimal:
        """Return how many times what was read its calls are."""
        return Decimal(self.stratum.calls) / (self.part.read or 1)


def replayed(cursor: Any, question: CacheQuestion, drawing: Drawing) -> list[Replayed]:
    """Return the strata of a drawing with what the cache would have done for them."""
    parts = {False: Part(), True: Part()}
    for is_giant, *figures in _rows(cursor, question, drawing):
        parts[is_giant].add(*figures)
    return [
        Replayed(drawing.rest, parts[False]),
        Replayed(drawing.of_giants, parts[True]),
    ]


def _rows(cursor: Any, question: CacheQuestion, drawing: Drawing) -> Iterable[Any]:
    giants = drawing.giants
    query, values = question.query(
        _REPLAYED,
        units=UNITS,
        group="0" if drawing.is_whole else _GROUP,
        alive=_ALIVE if giants.edges else _EMPTY,
        rest=drawing.rest.condition("below"),
        of_giants=drawing.of_giants.condition("below_of_giants"),
    )
    values |= {
        **giants.values(),
        "ttl_s": question.ttl_s,
        "moments": giants.moments(question),
        "start": question.start.timestamp(),
        "below": drawing.rest.drawn.below,
        "below_of_giants": drawing.of_giants.drawn.below,
    }
    # A cursor's own errors are Django's; those of a copy are not.
    with connection.wrap_database_errors, cursor.copy(query, values) as copy:
        copy.set_types(_TYPES)
        yield from copy.rows()
