"""Writing settlements: facts by COPY, rollups, budgets and news in one transaction."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
import psycopg

from costs.facts import AttemptFact, CallFact, Settlement
from costs.rollups import Fold
from devora_ops.common.ids import uuid7_time
from devora_ops.common.postgres import Connection, array_literal

NEWS_CHANNEL = "devora_calls"
_ROWS_AT_ONCE = 16
_NEWS_BYTES = 7900  # Postgres refuses a NOTIFY payload of 8000 bytes

COPY_CALLS = """COPY costs_call (
    id, finished_at, team, agent, end_user, key, model, prompt, prompt_version,
    experiment, variant, requested, status, http_status, error_code, stream, cache,
    input_tokens, cached_tokens, output_tokens, cost_usd, saved_usd, estimated,
    latency_ms, ttft_ms, attempts, request_id, anomaly, fingerprint) FROM STDIN"""

COPY_ATTEMPTS = """COPY costs_attempt (
    id, call_id, number, provider, team, agent, end_user, key, model, prompt,
    prompt_version, experiment, variant, state, settled_at, http_status, error_code,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, raw_usage, price_id, cost_usd, estimated, latency_ms, ttft_ms,
    counters, route, probability, anomaly, book_usd) FROM STDIN"""

# The commit that frees the counters does not wait for the disk, since every hold would
# wait with it. The write-ahead log is a sequence: what follows it there and is durable
# has made it durable.
_RELEASE = """SELECT costs_release(%s::uuid[], %s::bigint[], %s::numeric[]),
    set_config('synchronous_commit', 'off', true)"""
_FLUSH = "SELECT pg_logical_emit_message(true, 'devora', 'settled')"


async def post(
    connection: Connection, settlements: Sequence[Settlement]
) -> list[Settlement]:
    """Write settlements, each attempt and call exactly once; return what was new.

    An attempt that somebody else has settled (the sweeper, or this process before it
    lost its connection in the middle of a commit) is left out, and so are its sums.
    Once this returns, a crash of Postgres loses none of it: the connection is durable.
    """
    fresh = list(settlements)
    while True:
        try:
            await _write(connection, fresh)
            break
        except psycopg.errors.UniqueViolation:
            fresh = await _only_new(connection, fresh)
    # Even when nothing was new: who wrote it may not have seen it reach the disk.
    await connection.execute(_FLUSH)
    return fresh


async def _write(connection: Connection, settlements: Sequence[Settlement]) -> None:
    attempts = [each for s in settlements for each in s.attempts]
    calls = [s.call for s in settlements if s.call is not None]
    fold = Fold()
    for n, settlement in enumerate(settlements, 1):
        fold.add(settlement)
        await _let_others_go_on(n)
    async with connection.transaction():
        await _copy(connection, COPY_ATTEMPTS, map(attempt_row, attempts))
        await _copy(connection, COPY_CALLS, map(call_row, calls))
        await fold.write(connection)
        if calls:
            await connection.execute(
                "SELECT pg_notify(%s, %s)", [NEWS_CHANNEL, news(calls)]
            )
        # Last, because every other call waits for these rows.
        await _release(connection, attempts)


async def _copy(
    connection: Connection, statement: str, rows: Iterable[tuple[Any, ...]]
) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for n, row in enumerate(rows, 1):
            await copy.write_row(row)  # which does not wait for anything
            await _let_others_go_on(n)


async def _let_others_go_on(done: int) -> None:
    """Give way to the calls that wait for this process, every so many rows."""
    if done % _ROWS_AT_ONCE == 0:
        await asyncio.sleep(0)


async def _release(connection: Connection, attempts: Sequence[AttemptFact]) -> None:
    charges: defaultdict[int, Decimal] = defaultdict(Decimal)
    for attempt in attempts:
        for counter in attempt.counters:
            charges[counter] += attempt.cost_usd or 0
    await connection.execute(
        _RELEASE,
        [
            array_literal(each.id for each in attempts),
            array_literal(charges),
            array_literal(charges.values()),
        ],
    )


async def _only_new(
    connection: Connection, settlements: Sequence[Settlement]
) -> list[Settlement]:
    attempts = [each.id for s in settlements for each in s.attempts]
    calls = [s.call.id for s in settlements if s.call is not None]
    known = await _known(connection, "costs_attempt", attempts)
    known |= await _known(connection, "costs_call", calls)
    fresh = []
    for settlement in settlements:
        mine = tuple(each for each in settlement.attempts if each.id not in known)
        known.update(each.id for each in mine)
        call = settlement.call
        if call is not None and call.id in known:
            call = None
        elif call is not None:
            known.add(call.id)
        if mine or call:
            fresh.append(Settlement(mine, call))
    return fresh


async def _known(
    connection: Connection, table: str, ids: Sequence[uuid.UUID]
) -> set[uuid.UUID]:
    query = {
        "costs_attempt": "SELECT id FROM costs_attempt WHERE id = ANY(%s)",
        "costs_call": "SELECT id FROM costs_call WHERE id = ANY(%s)",
    }[table]
    cursor = await connection.execute(query, [list(ids)])
    return {row[0] for row in await cursor.fetchall()}  # type: ignore[misc]


def attempt_row(attempt: AttemptFact) -> tuple[Any, ...]:
    """Return an attempt as COPY_ATTEMPTS takes it."""
    usage, who = attempt.usage, attempt.who
    return (
        attempt.id,
        attempt.call_id,
        attempt.number,
        attempt.provider,
        who.team,
        who.agent,
        who.end_user,
        who.key,
        attempt.model,
        who.prompt,
        who.prompt_version,
        who.experiment,
        who.variant,
        attempt.state,
        attempt.settled_at,
        attempt.http_status,
        attempt.error_code,
        usage.whole_input,
        usage.cache_read,
        usage.cache_write_5m + usage.cache_write_1h,
        usage.whole_output,
        usage.reasoning,
        _json(attempt.raw_usage),
        attempt.price_id,
        attempt.cost_usd,
        attempt.estimated,
        attempt.latency_ms,
        attempt.ttft_ms,
        array_literal(attempt.counters),
        attempt.route,
        attempt.probability,
        attempt.anomaly,
        attempt.book_usd,
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def call_row(call: CallFact) -> tuple[Any, ...]:
    """Return a call as COPY_CALLS takes it."""
    usage, who = call.usage, call.who
    return (
        call.id,
        call.finished_at,
        who.team,
        who.agent,
        who.end_user,
        who.key,
        call.model,
        who.prompt,
        who.prompt_version,
        who.experiment,
        who.variant,
        call.requested,
        call.status,
        call.http_status,
        call.error_code,
        call.stream,
        call.cache,
        usage.whole_input,
        usage.cache_read,
        usage.whole_output,
        call.cost_usd,
        call.saved_usd,
        call.estimated,
        call.latency_ms,
        call.ttft_ms,
        call.attempts,
        call.request_id,
        call.anomaly,
        call.fingerprint,
    )


def news(calls: Sequence[CallFact]) -> str:
    """Return the NOTIFY payload of settled calls; "more" in place of what is too long."""
    items: list[bytes] = []
    room = _NEWS_BYTES
    for call in calls:
        item = orjson.dumps(_news_item(call))
        room -= len(item) + 1
        if room < len(b'"more"') + 2:
            items.append(b'"more"')
            break
        items.append(item)
    return (b"[" + b",".join(items) + b"]").decode()


def _news_item(call: CallFact) -> dict[str, Any]:
    return {
        "id": str(call.id),
        "at": uuid7_time(call.id).isoformat(),
        "team": call.who.team,
        "agent": call.who.agent,
        "model": call.model,
        "status": call.status,
        "tokens_in": call.usage.whole_input,
        "tokens_out": call.usage.whole_output,
        "latency_ms": round(call.latency_ms),
        "cost_usd": None if call.cost_usd is None else str(call.cost_usd),
        "cache": call.cache,
        "prompt": call.who.prompt,
        "key": call.who.key,
    }
