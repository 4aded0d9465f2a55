"""Sums that the pages read: folded in Python, added to Postgres in one upsert a table.

A latency histogram is sparse: one integer a bin, bin * 2^40 + count, sorted by bin. Bin
b holds latencies in (1.05^(b-1), 1.05^b] milliseconds, so a quantile read at a bin's
middle is within 2.5 % of the exact one, and histograms merge by adding counts.
"""

import datetime as dt
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from psycopg import sql

from costs.facts import AttemptFact, CallFact, Settlement, Status, Who
from devora_ops.common.ids import uuid7_ms
from devora_ops.common.postgres import Connection

_RATIO = math.log(1.05)
_SHIFT = 40
_MASK = (1 << _SHIFT) - 1

_MINUTE_MS = 60_000
_ALWAYS = dt.datetime.min.replace(tzinfo=dt.UTC)

Key = tuple[Any, ...]


def bin_of(latency_ms: float) -> int:
    """Return the histogram bin of a latency; up to 1 ms is bin 0."""
    return max(0, math.ceil(math.log(latency_ms) / _RATIO)) if latency_ms > 0 else 0


def pack(latencies_ms: Collection[float]) -> list[int]:
    """Return the histogram of some latencies."""
    return _pack_bins([bin_of(latency_ms) for latency_ms in latencies_ms])


def _pack_bins(bins: Sequence[int]) -> list[int]:
    if len(bins) < 2:  # most rows have one call: a Counter would take longest
        return [(bin_ << _SHIFT) + 1 for bin_ in bins]
    return [(bin_ << _SHIFT) + n for bin_, n in sorted(Counter(bins).items())]


def merge(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Add histograms; a mere concatenation of several counts as one."""
    counts: Counter[int] = Counter()
    for histogram in histograms:
        for packed in histogram:
            counts[packed >> _SHIFT] += packed & _MASK
    return [(bin_ << _SHIFT) + n for bin_, n in sorted(counts.items())]


def quantile(histogram: Sequence[int], q: float) -> float | None:
    """Return a quantile in milliseconds, or None of an empty histogram.

    histogram: merged (each bin once); q: 0 to 1.
    """
    left = math.ceil(q * sum(packed & _MASK for packed in histogram))
    for packed in histogram:
        left -= packed & _MASK
        if left <= 0:
            return math.exp(_RATIO * ((packed >> _SHIFT) - 0.5))
    return None


@dataclass(slots=True)
class Measures:
    """What one rollup row adds up."""

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    saved_usd: Decimal = Decimal(0)
    unpriced: int = 0
    cacheable: int = 0
    latency_ms: float = 0.0
    latency_bins: list[int] = field(default_factory=list)
    ttft_bins: list[int] = field(default_factory=list)

    def add_call(self, call: CallFact) -> None:
        """Count a call: how it ended and how long it took."""
        self.calls += 1
        self.saved_usd += call.saved_usd
        self.cacheable += call.cache != "off"
        # Cached answers and refusals would make the models look faster than they are.
        if call.status == "ok":
            self.latency_ms += call.latency_ms
            self.latency_bins.append(bin_of(call.latency_ms))
            if call.ttft_ms is not None:
                self.ttft_bins.append(bin_of(call.ttft_ms))

    def add_attempt(self, attempt: AttemptFact) -> None:
        """Count an attempt: its tokens and what they cost."""
        self.attempts += 1
        self.failed += attempt.provider_failed
        self.input_tokens += attempt.usage.whole_input
        self.cached_tokens += attempt.usage.cache_read
        self.output_tokens += attempt.usage.whole_output
        self.cost_usd += attempt.cost_usd or 0
        self.unpriced += attempt.cost_usd is None

    def add(self, other: "Measures") -> None:
        """Add what another row adds up."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency_bins += other.latency_bins
        self.ttft_bins += other.ttft_bins

    def columns(self) -> dict[str, Any]:
        """Return the row's measures by column, as JSON takes them."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in _SUMS}
        return columns | {
            "cost_usd": str(self.cost_usd),
            "saved_usd": str(self.saved_usd),
            "latency": _pack_bins(self.latency_bins),
            "ttft": _pack_bins(self.ttft_bins),
        }


_SUMS = (
    "calls",
    "attempts",
    "failed",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "saved_usd",
    "unpriced",
    "cacheable",
    "latency_ms",
)
_MEASURES = (*_SUMS, "latency", "ttft")
_WORK = (
    "bucket",
    "team",
    "agent",
    "model",
    "prompt",
    "prompt_version",
    "variant",
    "status",
)
_WHO = ("bucket", "team", "agent", "end_user", "key", "model", "status")


FAMILIES = {
    "costs_rollup_work": _WORK,
    "costs_rollup_minute": _WORK,
    "costs_rollup_who": _WHO,
}


def columns_of(table: str) -> tuple[str, ...]:
    """Return a rollup table's columns in the order that `adding` takes them."""
    return (*FAMILIES[table], *_MEASURES)


def adding(table: str, rows: sql.Composable, *, schema: str = "") -> sql.Composed:
    """Write the statement that adds rows, a SELECT, to a rollup table."""
    keys = FAMILIES[table]
    added = [
        sql.SQL("{0} = r.{0} + excluded.{0}").format(sql.Identifier(name))
        for name in _SUMS
    ] + [
        sql.SQL("{0} = costs_histogram_merge(r.{0}, excluded.{0})").format(
            sql.Identifier(name)
        )
        for name in ("latency", "ttft")
    ]
    return sql.SQL(
        "INSERT INTO {table} AS r ({columns}) {rows} "
        "ON CONFLICT ({keys}) DO UPDATE SET {added}"
    ).format(
        table=sql.Identifier(*filter(None, (schema, table))),
        columns=_listed(columns_of(table)),
        rows=rows,
        keys=_listed(keys),
        added=sql.SQL(", ").join(added),
    )


def _upsert(table: str) -> bytes:
    """Rows travel as one JSON array: arrays of histograms would be ragged."""
    rows = sql.SQL("SELECT {} FROM jsonb_populate_recordset(NULL::{}, %s)").format(
        _listed(columns_of(table)), sql.Identifier(table)
    )
    # Composing it anew would cost more than sending it.
    return adding(table, rows).as_bytes(None)


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


_UPSERTS = {table: _upsert(table) for table in FAMILIES}


class Fold:
    """Collects the rollup rows of a batch of settlements.

    What differs in nothing that any table tells apart is summed once, and only the sums
    are added to each table's rows. minutes_from: minutes before it are not summed, for
    nobody would read them.
    """

    def __init__(self, *, minutes_from: dt.datetime = _ALWAYS) -> None:
        self._minutes_from = minutes_from
        self._groups: dict[tuple[int, Who, str, Status], Measures] = {}

    def add(self, settlement: Settlement) -> None:
        """Add a call's facts; its attempts count under the status the call ended with."""
        call = settlement.call
        status: Status = call.status if call else "error"
        group: Measures | None = None
        if call is not None:
            group = self._group(call.id, call.who, call.model, status)
            group.add_call(call)
        for attempt in settlement.attempts:
            # Under the call's bucket: a number and the calls behind it then agree.
            if (
                call is None
                or group is None
                or attempt.who is not call.who
                or attempt.model != call.model
            ):
                group = self._group(attempt.call_id, attempt.who, attempt.model, status)
            group.add_attempt(attempt)

    def _group(
        self, call_id: uuid.UUID, who: Who, model: str, status: Status
    ) -> Measures:
        key = (uuid7_ms(call_id) // _MINUTE_MS, who, model, status)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Measures()
        return group

    def rows(self) -> Mapping[str, dict[Key, Measures]]:
        """Return the rows of each table, by their keys."""
        tables: dict[str, defaultdict[Key, Measures]] = {
            table: defaultdict(Measures) for table in FAMILIES
        }
        for (minutes, who, model, status), measures in self._groups.items():
            minute = dt.datetime.fromtimestamp(minutes * 60, tz=dt.UTC)
            bucket = minute - dt.timedelta(minutes=minute.minute % 15)
            work = (
                who.team,
                who.agent,
                model,
                who.prompt,
                who.prompt_version,
                who.variant,
                status,
            )
            by_whom = (who.team, who.agent, who.end_user, who.key, model, status)
            tables["costs_rollup_work"][bucket, *work].add(measures)
            tables["costs_rollup_who"][bucket, *by_whom].add(measures)
            if minute >= self._minutes_from:
                tables["costs_rollup_minute"][minute, *work].add(measures)
        return tables

    async def write(self, connection: Connection) -> None:
        """Add the rows to the rollup tables, in the transaction of their facts."""
        for statement, rows in self.upserts():
            await connection.execute(statement, [rows])

    def upserts(self) -> Iterator[tuple[bytes, str]]:
        """Yield the statements that add the rows, each with its rows as JSON."""
        return upserts(self.rows())


def upserts(tables: Mapping[str, dict[Key, Measures]]) -> Iterator[tuple[bytes, str]]:
    """Yield the statements that add rows to tables, each with its rows as JSON."""
    for table, rows in tables.items():
        if rows:
            yield _UPSERTS[table], _as_json(FAMILIES[table], rows)


def _as_json(keys: Sequence[str], rows: dict[Key, Measures]) -> str:
    # Sorted, so that two processes that add to the same rows cannot deadlock.
    return orjson.dumps(
        [
            dict(zip(keys, key, strict=True)) | rows[key].columns()
            for key in sorted(rows)
        ]
    ).decode()
