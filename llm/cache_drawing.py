"""Which calls a replay of the cache reads: all, or as many as tell of the rest.

A sample of calls would tear those of one request apart and find hardly a hit, so what is
drawn is the request, with all of its calls. A few requests can make up much of the
traffic: whether one of those is drawn would decide everything. These giants are read
whole while they fit into half of the room. Otherwise each is cut into blocks, from one
moment to another, and blocks are drawn like requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from costs.sampling import PART_BITS, PARTS, Draw, draw, draw_units, rooms
from devora_ops.common.ids import uuid7_ms
from llm.cache_question import CacheQuestion

# Of the room: the calls that giants are looked for among, and the calls of a giant.
_LOOKED_AT: Final = 10
_GIANT: Final = 100
# How often a giant is met at least by whoever looks.
_MET: Final = 10
# A block is miscounted by a hit at most, so it has at least so many calls on average.
_CALLS_A_BLOCK: Final = 200
_MOST_BLOCKS: Final = 1024  # of one giant; a power of two

# Their blocks end where equally many calls of giants were met, not after equal times:
# a giant that was there for an hour has more than one.
_LOOK: Final = """
WITH looked AS MATERIALIZED (
    SELECT a.id, a.fingerprint FROM costs_call AS a
    WHERE {scope} AND {priced} AND uuid_hash_extended(a.id, 2) < %(looked)s
), often AS (
    SELECT fingerprint, count(*) AS calls FROM looked
    GROUP BY 1 HAVING count(*) >= %(least)s
)
SELECT array_agg(fingerprint ORDER BY fingerprint), array_agg(calls ORDER BY fingerprint), (
    SELECT percentile_disc(%(ends)s::float8[]) WITHIN GROUP (ORDER BY id)
    FROM looked JOIN often USING (fingerprint)
)
FROM often
"""

# What is drawn: g, the giant that a call belongs to, and its block there; others have one.
UNITS: Final = """
LEFT JOIN unnest(%(giants)s::bigint[], %(steps)s::int[]) AS g(giant, step)
    ON g.giant = a.fingerprint
CROSS JOIN LATERAL (
    SELECT CASE WHEN g.step IS NULL THEN 0
        ELSE width_bucket(a.id, %(edges)s::uuid[]) / g.step END AS block
) AS b
"""
_HASH: Final = "hashint8extended(a.fingerprint, 3 * b.block)"
GROUP_HASH: Final = "hashint8extended(fingerprint, 3 * block + 1)"
AGE_HASH: Final = "hashint8extended(fingerprint, 3 * block + 2)"

_SIZES: Final = f"""
SELECT g.step IS NOT NULL, ({_HASH} >> {64 - PART_BITS}) + {PARTS // 2}, count(*),
    sum(a.cost_usd)
FROM costs_call AS a {UNITS} WHERE {{scope}} AND {{priced}} GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Giants:
    """Requests of very many calls. edges: ids where blocks begin after the first one.

    steps: how many of those blocks make one of a request's. Without edges nothing is cut.
    """

    fingerprints: Sequence[int] = ()
    steps: Sequence[int] = ()
    edges: Sequence[UUID] = ()

    def moments(self, question: CacheQuestion) -> list[float]:
        """Return when blocks begin, and the last one ends, in seconds since 1970."""
        edges = (uuid7_ms(each) / 1000 for each in self.edges)
        return [question.start.timestamp(), *edges, question.end.timestamp()]

    def values(self) -> dict[str, Any]:
        """Return the parameters of UNITS."""
        return {
            "giants": list(self.fingerprints),
            "steps": list(self.steps),
            "edges": list(self.edges),
        }


@dataclass(frozen=True, slots=True)
class Stratum:
    """Calls that are drawn by one rule: how many they are, and what they did cost."""

    drawn: Draw
    calls: int
    actual_usd: Decimal

    def condition(self, below: str) -> str:
        """Return which of its calls are read. below: the name of a parameter."""
        return "true" if self.drawn.is_whole else f"{_HASH} < %({below})s"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is read of the giants, and of all other requests."""

    rest: Stratum
    of_giants: Stratum = field(default_factory=lambda: Stratum(Draw(), 0, Decimal(0)))
    giants: Giants = field(default_factory=Giants)

    @property
    def is_whole(self) -> bool:
        """Whether all is read."""
        return self.rest.drawn.is_whole and self.of_giants.drawn.is_whole


def drawing(
    cursor: Any, question: CacheQuestion, *, calls: int, actual_usd: Decimal, most: int
) -> Drawing:
    """Return what is read of so many calls, which is never more than `most`."""
    if calls <= most:
        return Drawing(Stratum(Draw(), calls, actual_usd))
    giants = _giants(cursor, question, calls, most)
    sizes: dict[bool, dict[int, int]] = {False: {}, True: {}}
    costs = {False: Decimal(0), True: Decimal(0)}
    query, values = question.query(_SIZES)
    cursor.execute(query, {**values, **giants.values()})
    for is_giant, part, size, cost in cursor.fetchall():
        sizes[is_giant][part] = size
        costs[is_giant] += cost
    counts = {each: sum(sizes[each].values()) for each in sizes}
    room = dict(zip((False, True), rooms(most, *counts.values()), strict=True))
    rest, of_giants = (
        Stratum(draw_units(sizes[each], room[each]), counts[each], costs[each])
        for each in (False, True)
    )
    if of_giants.drawn.is_whole:
        giants = replace(giants, edges=())
    return Drawing(rest, of_giants, giants)


def _giants(cursor: Any, question: CacheQuestion, calls: int, most: int) -> Giants:
    looked = draw(calls, most // _LOOKED_AT)
    query, values = question.query(_LOOK)
    values |= {
        "looked": looked.below,
        "least": max(_MET, round(most // _GIANT * looked.share)),
        "ends": [number / _MOST_BLOCKS for number in range(1, _MOST_BLOCKS)],
    }
    cursor.execute(query, values)
    fingerprints, met, edges = cursor.fetchone()
    if not fingerprints:
        return Giants()
    return Giants(fingerprints, [_step(each / looked.share) for each in met], edges)


def _step(calls: Decimal) -> int:
    """Return how many of the smallest blocks make one of a giant of so many calls."""
    step = 1
    while step < _MOST_BLOCKS and calls * step < _CALLS_A_BLOCK * _MOST_BLOCKS:
        step *= 2
    return step
