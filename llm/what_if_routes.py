"""What calls would have cost had another model, or another route, served them.

Postgres sums what rules and prices treat alike; the rules and the prices are ours. Calls
that the cache answered have no attempts and so cost nothing in both. The unit that is
drawn is the call, so that a retry stays with the try before it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from costs.price_history import price_history
from costs.pricing import round_usd
from costs.sampling import GROUPS, MOST_ROWS, Draw, Expanded, draw, estimated
from costs.usage_sums import USED, UsageSums, limit_time, matching, sums
from devora_ops.common.errors import InvalidRequest
from devora_ops.common.ids import first_uuid7_at
from llm.route_replay import Cell, Draft, Prices, Server, servers, sizes
from llm.what_if_answers import Answer, ModelRow, dearest_first

_KNOWN: Final = """
SELECT a.model, count(a.cost_usd), count(*) - count(a.cost_usd),
    coalesce(sum(a.cost_usd), 0)
FROM costs_attempt AS a WHERE {scope} GROUP BY 1
"""

# By COPY, which streams, and which several processes may work for, as for no cursor.
_CELLS: Final = """
COPY (
SELECT a.model,
    CASE WHEN a.team = ANY(%(teams)s::text[]) THEN a.team END,
    CASE WHEN a.agent = ANY(%(agents)s::text[]) THEN a.agent END,
    width_bucket(a.input_tokens::bigint, %(sizes)s::bigint[]),
    a.output_tokens = 0,
    width_bucket(a.id, %(moments)s::uuid[]),
    {used}, {group}, count(*), sum(a.cost_usd), {sums}
FROM costs_attempt AS a
WHERE {scope} AND a.cost_usd IS NOT NULL AND {drawn}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) TO STDOUT
"""
_TYPES: Final = ("text", "text", "text", "int8", "bool", "int8", "bool", "int8")
_SUM_TYPES: Final = ("int8", "numeric", *["int8"] * 6)
_NOBODY: Final = "\0"  # whom no condition names

_DRAWN: Final = "uuid_hash_extended(a.call_id, 0) < %(below)s"
_GROUP: Final = f"uuid_hash_extended(a.call_id, 1) & {GROUPS - 1}"


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """Which calls, and who else might have served them.

    requested: the route they asked for, or the model's `provider/name`. where: dimension
    → value. end is exclusive.
    """

    requested: str
    draft: Draft
    start: dt.datetime
    end: dt.datetime
    where: Mapping[str, Any] = field(default_factory=dict)

    def scope(self) -> tuple[sql.Composed, dict[str, Any]]:
        """Return the condition of their attempts, and its parameters."""
        conditions, values = matching(self.where)
        # A slash makes a model's name; a route has none.
        named = (
            "a.route = '' AND a.model = %(requested)s"
            if "/" in self.requested
            else "a.route = %(requested)s"
        )
        ids = "a.id >= %(first)s AND a.id < %(last)s"
        values |= {
            "requested": self.requested,
            "first": first_uuid7_at(self.start),
            "last": first_uuid7_at(self.end),
        }
        return sql.SQL(" AND ").join([sql.SQL(ids), sql.SQL(named), conditions]), values


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAnswer(Answer):
    """Counts are of attempts. unserved: those whom none of the targets could serve."""

    unserved: int


def what_if_routed(question: RouteQuestion, *, most: int = MOST_ROWS) -> RouteAnswer:
    """Return what a question's calls would have cost.

    most: attempts to read. Raises InvalidRequest for a target that has no price.
    """
    prices = _prices(question.draft)
    with transaction.atomic(), connection.cursor() as cursor:
        limit_time(cursor)
        known = _known(cursor, question)
        drawn = draw(sum(row[0] for row in known.values()), most)
        replay = _Replay(question.draft, prices)
        _replayed(cursor, question, drawn, replay)
    total = sum((row[2] for row in known.values()), Decimal(0))
    estimate = estimated(drawn, replay.groups, known=total)
    return _answer(question, known, replay, estimate, exact=drawn.is_whole)


def _prices(draft: Draft) -> Prices:
    names = [target.model for target in draft.targets]
    book = price_history(names)
    for name in names:
        if name not in book.prices:
            raise InvalidRequest(
                _("%(model)s has no price.") % {"model": name},
                code="price_unknown",
                param="targets",
            )
    return Prices(book)


def _known(cursor: Any, question: RouteQuestion) -> dict[str, tuple[int, int, Decimal]]:
    """Return what is known of all: by model its attempts, those unpriced, its cost."""
    scope, values = question.scope()
    cursor.execute(sql.SQL(_KNOWN).format(scope=scope), values)
    return {model: figures for model, *figures in cursor.fetchall()}


@dataclass(slots=True)
class _Replay:
    """The sums of a replay. groups: of the sample, as `estimated` takes them."""

    draft: Draft
    prices: Prices
    groups: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    attempts: int = 0
    unserved: int = 0
    counts: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    costs: defaultdict[str, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    _servers: dict[Cell, list[Server]] = field(default_factory=dict)

    def add(
        self, model: str, cell: Cell | None, group: int, sums: Sequence[Any]
    ) -> None:
        """Take in attempts of a cell; without one, they stay as they were."""
        attempts, actual, *usage = sums
        self.attempts += attempts
        found = self._of(cell) if cell else []
        if cell and not found:
            self.unserved += attempts
        before, after = self.groups.get(group, (Decimal(0), Decimal(0)))
        tried = list(_served(found, attempts, UsageSums(*usage))) or [
            (model, Decimal(attempts), actual)
        ]
        for name, count, cost in tried:
            self.counts[name] += count
            self.costs[name] += cost
            after += cost
        self.groups[group] = (before + actual, after)

    def _of(self, cell: Cell) -> list[Server]:
        found = self._servers.get(cell)
        if found is None:
            found = self._servers[cell] = servers(self.draft, cell, self.prices)
        return found


def _served(
    found: Sequence[Server], attempts: int, usage: UsageSums
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Yield what each server is expected to have served, and for how much."""
    for server in found:
        cost = usage.cost(server.price, server.rates, attempts=attempts)
        some, of_all = server.probability.as_integer_ratio()
        yield server.model, Decimal(attempts * some) / of_all, cost * some / of_all


def _replayed(
    cursor: Any, question: RouteQuestion, drawn: Draw, replay: _Replay
) -> None:
    prices = replay.prices
    changes = prices.changes(question.start, question.end)
    moments = [question.start, *changes]
    edges = sizes(question.draft, prices, moments)
    query, values = _cells(question, drawn, prices)
    values |= {"sizes": edges, "moments": [first_uuid7_at(at) for at in changes]}
    # A cursor's own errors are Django's; those of a copy are not.
    with connection.wrap_database_errors, cursor.copy(query, values) as copy:
        copy.set_types([*_TYPES, *_SUM_TYPES])
        for row in copy.rows():
            model, team, agent, size, vectors, moment, used, group, *rest = row
            cell = Cell(
                team or _NOBODY,
                agent or _NOBODY,
                edges[size - 1],
                vectors,
                moments[moment],
            )
            replay.add(model, cell if used else None, group, rest)


def _cells(
    question: RouteQuestion, drawn: Draw, prices: Prices
) -> tuple[sql.Composed, dict[str, Any]]:
    scope, values = question.scope()
    query = sql.SQL(_CELLS).format(
        used=USED,
        group=sql.SQL("0" if drawn.is_whole else _GROUP),
        sums=sums(prices.all()),
        scope=scope,
        drawn=sql.SQL("true" if drawn.is_whole else _DRAWN),
    )
    named = {
        "teams": question.draft.named("teams"),
        "agents": question.draft.named("agents"),
    }
    return query, {**values, **named, "below": drawn.below}


def _answer(
    question: RouteQuestion,
    known: Mapping[str, tuple[int, int, Decimal]],
    replay: _Replay,
    estimate: Expanded,
    *,
    exact: bool,
) -> RouteAnswer:
    population = sum(row[0] for row in known.values())
    times = Decimal(population) / replay.attempts if replay.attempts else Decimal(1)
    nothing = (0, 0, Decimal(0))
    rows = [
        ModelRow(
            model,
            known.get(model, nothing)[0],
            known.get(model, nothing)[2],
            round(replay.counts[model] * times),
            round_usd(replay.costs[model] * estimate.scale),
        )
        for model in sorted(known.keys() | replay.costs.keys())
    ]
    return RouteAnswer(
        start=question.start,
        end=question.end,
        actual_usd=sum((row[2] for row in known.values()), Decimal(0)),
        estimate=estimate,
        exact=exact,
        population=population,
        sampled=replay.attempts,
        unpriced=sum(row[1] for row in known.values()),
        rows=dearest_first(rows),
        unserved=round(replay.unserved * times),
    )
