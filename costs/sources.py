"""Where sums are read: a rollup family, or the facts for what no family has.

The facts are read as rows of a rollup's shape, one a call, an attempt and an adjustment,
so that a query over them says the same as over the rollups that they went into.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from devora_ops.common.errors import InvalidRequest

BUCKET: Final = dt.timedelta(minutes=15)
TIMES: Final = ("hour", "day")
# No more facts than these are worth a scan.
REACH: Final = dt.timedelta(hours=24)
_EPOCH = dt.datetime.min.replace(tzinfo=dt.UTC)


class DimensionsApart(InvalidRequest):
    """No rollup family has all of these dimensions, and the range is too long."""

    code = "range_too_long"


@dataclass(frozen=True, slots=True)
class Source:
    """A table or subquery; columns: dimension → its expression.

    latency and ttft: the aggregates that collect a group's histogram.
    """

    rows: sql.Composable
    columns: Mapping[str, sql.Composable]
    latency: sql.Composable
    ttft: sql.Composable


def floor(moment: dt.datetime) -> dt.datetime:
    """Return the beginning of a moment's bucket."""
    return moment - (moment - _EPOCH) % BUCKET


def ceiling(moment: dt.datetime) -> dt.datetime:
    """Return the end of the bucket that reaches up to a moment."""
    return moment + (_EPOCH - moment) % BUCKET


def source_of(names: Collection[str], *, start: dt.datetime) -> Source:
    """Return where sums by and of these dimensions are read from a moment on.

    Raises DimensionsApart when only facts have them all, and they reach less far.
    """
    wanted = set(names) - set(TIMES)
    for source in _ROLLUPS:
        if wanted <= source.columns.keys():
            return source
    if start < floor(timezone.now() - REACH):
        raise DimensionsApart(
            _(
                "These dimensions are summed together for the last 24 hours only: "
                "begin later, or ask for users and keys apart from prompts, variants "
                "and experiments."
            ),
            param="from",
        )
    return _FACTS


def _columns(**renamed: str) -> dict[str, sql.Composable]:
    return {name: sql.Identifier(column) for name, column in renamed.items()}


_SHARED: Final[dict[str, sql.Composable]] = {
    **_columns(team="team", agent="agent", model="model", status="status"),
    # A model is `provider/name`; a call that never got as far has none.
    "provider": sql.SQL(
        "CASE WHEN strpos(model, '/') > 0 THEN split_part(model, '/', 1) ELSE '' END"
    ),
}
_WORK = _columns(prompt="prompt", prompt_version="prompt_version", variant="variant")
_WHO = _columns(user="end_user", key="key")


def _rollup(table: str, columns: Mapping[str, sql.Composable]) -> Source:
    return Source(
        sql.Identifier(table),
        {**_SHARED, **columns},
        sql.SQL("costs_histogram_sum(latency)"),
        sql.SQL("costs_histogram_sum(ttft)"),
    )


_ROLLUPS: Final = (
    _rollup("costs_rollup_work", _WORK),
    _rollup("costs_rollup_who", _WHO),
)

_DIMENSIONS = (
    "{0}.team, {0}.agent, {0}.end_user, {0}.key, {0}.model, {0}.prompt, "
    "{0}.prompt_version, {0}.experiment, {0}.variant"
)
_BEGAN = (
    "to_timestamp(('x' || left(replace({}::text, '-', ''), 12))::bit(48)::bigint"
    " / 1000.0)"
)
_WITHIN = "{0} >= ops_first_uuid7_at(%(start)s) AND {0} < ops_first_uuid7_at(%(end)s)"
# What costs.rollups packs: the bin of 1.05^b milliseconds, and that it counts one.
_PACKED = (
    "CASE WHEN c.status = 'ok' THEN "
    "(greatest(0, ceil(ln(greatest(c.{0}, 1)) / ln(1.05)))::bigint << 40) + 1 END"
)
_FACT_ROWS = f"""(
SELECT {_BEGAN.format("c.id")} AS bucket, {_DIMENSIONS.format("c")}, c.status,
    1 AS calls, 0 AS attempts, 0 AS input_tokens, 0 AS cached_tokens,
    0 AS output_tokens, 0 AS cost_usd, c.saved_usd, 0 AS unpriced,
    (c.cache <> 'off')::int AS cacheable,
    (s.value IS NOT NULL)::int AS scored, coalesce(s.value, 0) AS score_sum,
    {_PACKED.format("latency_ms")} AS latency, {_PACKED.format("ttft_ms")} AS ttft
FROM costs_call AS c LEFT JOIN costs_score AS s
    ON s.call_id = c.id AND {_WITHIN.format("s.call_id")}
WHERE {_WITHIN.format("c.id")}
UNION ALL
SELECT {_BEGAN.format("a.call_id")}, {_DIMENSIONS.format("a")},
    coalesce(c.status, 'error'), 0, 1, a.input_tokens, a.cache_read_tokens,
    a.output_tokens, coalesce(a.cost_usd, 0), 0, (a.cost_usd IS NULL)::int, 0,
    0, 0, NULL, NULL
FROM costs_attempt AS a LEFT JOIN costs_call AS c ON c.id = a.call_id
WHERE {_WITHIN.format("a.call_id")}
UNION ALL
SELECT j.bucket, {_DIMENSIONS.format("j")}, j.status, 0, 0, 0, 0, 0, j.cost_usd, 0,
    j.unpriced, 0, 0, 0, NULL, NULL
FROM costs_adjustment AS j WHERE j.bucket >= %(start)s AND j.bucket < %(end)s
) AS facts"""


def _collected(name: str) -> sql.Composable:
    return sql.SQL(
        "coalesce(array_agg({0}) FILTER (WHERE {0} IS NOT NULL), '{{}}')"
    ).format(sql.Identifier(name))


_FACTS: Final = Source(
    sql.SQL(_FACT_ROWS),
    {**_SHARED, **_WORK, **_WHO, **_columns(experiment="experiment")},
    _collected("latency"),
    _collected("ttft"),
)
DIMENSIONS: Final = tuple(_FACTS.columns)
