"""Holds whose process has died: found, and turned into settlements at the worst case."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from costs.facts import AttemptFact, CallFact, Settlement, Who
from devora_ops.common.ids import uuid7_time
from devora_ops.common.postgres import Connection

EVERY_S = 3.0

# 25 s of silence, so that with a round of ours a hold outlives its call by no more than
# 30 s, or older than any call may last (600 s) and then some. Never for its silence our
# own: who sweeps is alive, however long Postgres did not hear of it.
_ORPHANS = """
SELECT h.attempt_id, h.call_id, h.amount, h.counters, h.facts, now(),
    (SELECT sum(cost_usd) FROM costs_attempt AS a
     WHERE a.id BETWEEN h.call_id AND h.attempt_id AND a.call_id = h.call_id)
FROM costs_hold AS h LEFT JOIN costs_owner AS o ON o.id = h.owner
WHERE h.owner <> %s AND (
       o.seen_at IS NULL OR o.seen_at < now() - interval '25 seconds')
   OR h.created_at < now() - interval '630 seconds'
ORDER BY h.attempt_id LIMIT 500
"""


async def orphans(connection: Connection, *, but: uuid.UUID) -> list[Settlement]:
    """Return settlements for holds that nobody will settle any more.

    but: the owner who asks. Others who live but could not be heard while Postgres was
    away have a heartbeat's time to be heard again before anybody sweeps.

    Two sweepers may return the same ones: the attempt's id lets only one be posted.
    """
    cursor = await connection.execute(_ORPHANS, [but])
    rows: list[Any] = await cursor.fetchall()
    return [_settlement(*row) for row in rows]


def _settlement(
    attempt_id: uuid.UUID,
    call_id: uuid.UUID,
    amount: Decimal,
    counters: list[int],
    facts: dict[str, Any],
    now: dt.datetime,
    earlier: Decimal | None,
) -> Settlement:
    who = Who(**facts["who"])
    waited_ms = (now - uuid7_time(call_id)).total_seconds() * 1000
    cost = amount if facts["priced"] else None
    attempt = AttemptFact(
        id=attempt_id,
        call_id=call_id,
        number=facts["number"],
        who=who,
        provider=facts["provider"],
        model=facts["model"],
        state="unknown",
        settled_at=now,
        latency_ms=waited_ms,
        cost_usd=cost,
        estimated=True,
        error_code="process_lost",
        counters=tuple(counters),
    )
    call = CallFact(
        id=call_id,
        who=who,
        requested=facts["requested"],
        model=facts["model"],
        status="error",
        http_status=500,
        finished_at=now,
        latency_ms=waited_ms,
        error_code="process_lost",
        # The sum of its attempts, as of every call.
        cost_usd=cost if earlier is None else earlier + (cost or 0),
        estimated=True,
        attempts=facts["number"],
        request_id=facts["request_id"],
    )
    return Settlement((attempt,), call)
