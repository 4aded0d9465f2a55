"""Calls in the ledger's tables, as its own writers leave them."""

import datetime as dt
import itertools
import uuid
from decimal import Decimal
from urllib.parse import urlsplit, urlunsplit

import orjson
from django.conf import settings
from django.db import connection

from costs.facts import AttemptFact, CallFact, Settlement, Who
from costs.posting import COPY_ATTEMPTS, COPY_CALLS, attempt_row, call_row
from costs.pricing import Usage
from costs.rollups import Fold
from devora_ops.common.ids import first_uuid7_at
from devora_ops.common.postgres import connect

_numbers = itertools.count(1)


def settled(
    at, *, agent="bot", team="care", model="openai/gpt-5.2", status="ok", **more
):
    """Return the settlement of one call.

    more: ms, cost, tokens (in, out), tries, cache, saved, prompt, version, experiment,
    variant, user, key, ttft, error and http of the last attempt (those before it were overloaded).
    """
    number = next(_numbers)
    call_id = uuid.UUID(int=first_uuid7_at(at).int + number * 100)
    who = Who(
        team=team,
        agent=agent,
        end_user=more.get("user", ""),
        key=more.get("key", ""),
        prompt=more.get("prompt", ""),
        prompt_version=more.get("version", 0),
        experiment=more.get("experiment", ""),
        variant=more.get("variant", ""),
    )
    answered = status in ("ok", "timeout")
    tokens = more.get("tokens", (100, 20)) if answered else (0, 0)
    usage = Usage(input=tokens[0], output=tokens[1])
    cost = Decimal(more.get("cost", "0.01")) if answered else Decimal(0)
    tries = more.get("tries", 0 if status in ("cached", "blocked") else 1)
    ms = more.get("ms", 500.0)
    call = CallFact(
        id=call_id,
        who=who,
        requested=model,
        model=model,
        status=status,
        http_status=200,
        finished_at=at,
        latency_ms=ms,
        ttft_ms=more.get("ttft"),
        cache=more.get("cache", "hit" if status == "cached" else "miss"),
        usage=usage,
        cost_usd=cost,
        saved_usd=Decimal(more.get("saved", "0")),
        attempts=tries,
    )
    attempts = [_overloaded(call, number, at) for number in range(1, tries + 1)]
    if attempts:
        last, failed = attempts[-1], status in ("error", "timeout")
        last.usage, last.cost_usd = usage, cost
        last.error_code = more.get("error", "provider_error" if failed else "")
        last.http_status = more.get("http")
    return Settlement(attempts=tuple(attempts), call=call)


def _overloaded(call, number, at):
    """Return a try of a call that its provider had no time for."""
    return AttemptFact(
        id=uuid.UUID(int=call.id.int + number),
        call_id=call.id,
        number=number,
        who=call.who,
        provider=call.model.partition("/")[0],
        model=call.model,
        state="settled",
        settled_at=at,
        latency_ms=call.latency_ms,
        cost_usd=Decimal(0),
        error_code="provider_overloaded",
        http_status=503,
    )


def record(*settlements):
    """Write what settlements do; the caller's test is transactional."""
    fold = Fold()
    for settlement in settlements:
        fold.add(settlement)
    with connection.cursor() as cursor:
        with cursor.copy(COPY_ATTEMPTS) as copy:
            for settlement in settlements:
                for attempt in settlement.attempts:
                    copy.write_row(attempt_row(attempt))
        with cursor.copy(COPY_CALLS) as copy:
            for settlement in settlements:
                copy.write_row(call_row(settlement.call))
        for statement, rows in fold.upserts():
            cursor.execute(statement, [rows])


def news(settlement):
    """Return what the ledger tells of a settled call."""
    call = settlement.call
    return {
        "id": str(call.id),
        "at": call.finished_at.isoformat(),
        "team": call.who.team,
        "agent": call.who.agent,
        "model": call.model,
        "status": call.status,
        "tokens_in": call.usage.whole_input,
        "tokens_out": call.usage.whole_output,
        "latency_ms": round(call.latency_ms),
        "cost_usd": str(call.cost_usd),
        "cache": call.cache,
        "prompt": call.who.prompt,
        "key": "",
    }


async def tell(payload):
    """Send a NOTIFY as the ledger's settle transaction does."""
    there = await connect(settings_url(), application="tests")
    text = payload if isinstance(payload, str) else orjson.dumps(payload).decode()
    await there.execute("SELECT pg_notify('devora_calls', %s)", [text])
    await there.close()


def settings_url():
    """Return the address of the test's own database."""
    parts = urlsplit(settings.DATABASE_URL)
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


def utc(*parts):
    """Return a moment in UTC."""
    return dt.datetime(*parts, tzinfo=dt.UTC)
