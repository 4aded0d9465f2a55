"""Facts to ask what-ifs of, and the asking; runs in `manage.py shell`."""

import datetime as dt
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from costs.price_history import price_history
from costs.what_if import what_if
from devora_ops.common.ids import first_uuid7_at
from devora_ops.demo.books import keep_partitions
from llm.cache_question import CacheQuestion
from llm.route_replay import Draft
from llm.selectors import draft_targets
from llm.what_if_answers import Answer
from llm.what_if_cache import what_if_cached
from llm.what_if_routes import RouteQuestion, what_if_routed

ROUNDS = 3
DAYS = 90
MODELS = (
    "openai/gpt-5.4",
    "openai/gpt-5.4-mini",
    "openai/gpt-5.4-nano",
    "anthropic/claude-opus-4-8",
    "anthropic/claude-sonnet-4-6",
    "anthropic/claude-haiku-5-5",
)
_BATCH = 250_000
_TARGETS = (
    {"model": MODELS[1], "weight": 3, "conditions": {"max_input_tokens": 4000}},
    {"model": MODELS[5], "weight": 1, "conditions": {}},
)

# One attempt a call. Sizes are lognormal, so that some reach the context tiers; two of
# five read a provider's cache, and Anthropic's write it, some for an hour. 3 % fail. Half
# of the calls repeat one of a few thousand requests, a few of these very often.
_DRAWN = """
CREATE TEMPORARY TABLE drawn AS
SELECT n, id, at, model, failed, reads, written, fingerprint, route, size.tokens AS whole,
    (size.tokens * CASE WHEN reads THEN 0.6 ELSE 0 END)::int AS read,
    (20 + 600 * random())::int AS output,
    'team-' || (random() * 5)::int AS team, 'agent-' || (random() * 20)::int AS agent
FROM (
    SELECT n, at,
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || '7' || substr(md5(n::text), 14))::uuid AS id,
        (%(models)s::text[])[1 + (6 * random() ^ 2)::int %% 6] AS model,
        random() < 0.03 AS failed, random() < 0.4 AS reads, random() < 0.3 AS written,
        CASE WHEN random() < 0.5 THEN hashint8extended(n, 7)
             ELSE (5000 * random() ^ 4)::bigint END AS fingerprint,
        CASE WHEN random() < 0.8 THEN 'smart' ELSE '' END AS route
    FROM (
        SELECT n, %(start)s + (%(span)s * n / %(rows)s) AS at
        FROM generate_series(%(first)s, %(last)s) AS n
    ) AS numbered
) AS called
CROSS JOIN LATERAL (
    SELECT least(400000, exp(7 + 1.4 * sqrt(-2 * ln(1 - random())) * cos(6.2832 * random())
        + 0 * n))::int AS tokens
) AS size
"""

_ATTEMPTS = """
INSERT INTO costs_attempt (
    id, call_id, number, provider, team, agent, model, state, settled_at, http_status,
    error_code, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    raw_usage, cost_usd, latency_ms, route)
SELECT d.id, d.id, 1, split_part(d.model, '/', 1), team, agent, d.model, 'settled', at,
    CASE WHEN failed THEN 503 ELSE 200 END,
    CASE WHEN failed THEN 'provider_overloaded' ELSE '' END,
    CASE WHEN failed THEN 0 ELSE whole END, CASE WHEN failed THEN 0 ELSE read END,
    CASE WHEN failed OR NOT writes THEN 0 ELSE whole / 10 END,
    CASE WHEN failed THEN 0 ELSE d.output END,
    CASE WHEN failed THEN NULL WHEN writes THEN jsonb_build_object(
        'input_tokens', whole - read - whole / 10, 'cache_read_input_tokens', read,
        'output_tokens', d.output, 'cache_creation_input_tokens', whole / 10,
        'cache_creation', jsonb_build_object(
            'ephemeral_5m_input_tokens', 0, 'ephemeral_1h_input_tokens', whole / 10))
    ELSE jsonb_build_object('prompt_tokens', whole, 'completion_tokens', d.output,
        'prompt_tokens_details', jsonb_build_object('cached_tokens', read)) END,
    CASE WHEN failed THEN 0 ELSE round(
        (whole - read) * p.input + read * p.cache_read + d.output * p.output, 9) END,
    300 + 20 * d.output, route
FROM (SELECT *, written AND model LIKE 'anthropic/%%' AS writes FROM drawn) AS d
JOIN (
    SELECT DISTINCT ON (model) * FROM costs_price ORDER BY model, valid_from
) AS p ON p.model = d.model
ORDER BY n
"""

_CALLS = """
INSERT INTO costs_call (
    id, finished_at, team, agent, model, requested, status, http_status, cache,
    input_tokens, output_tokens, cost_usd, latency_ms, attempts, fingerprint)
SELECT a.id, a.settled_at + a.latency_ms / 1000 * interval '1 second', a.team, a.agent,
    a.model, coalesce(nullif(a.route, ''), a.model),
    CASE WHEN d.failed THEN 'error' ELSE 'ok' END, a.http_status, 'off', a.input_tokens,
    a.output_tokens, a.cost_usd, a.latency_ms, 1, d.fingerprint
FROM drawn AS d JOIN costs_attempt AS a ON a.id = d.id
WHERE a.id >= %(first_id)s ORDER BY d.n
"""

_COUNTED = "SELECT count(*), sum(cost_usd) FROM {} WHERE id >= %s AND id < %s"


def measure(rows: int) -> str:
    """Fill the database, ask; return JSON: seconds, and how many facts were read."""
    now = timezone.now()
    start = now - dt.timedelta(days=DAYS)
    fill(rows, start=start, end=now)
    times: defaultdict[str, list[float]] = defaultdict(list)
    read: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, ask in _questions(start, now).items():
            began = time.perf_counter()
            answer = ask()
            times[name].append(time.perf_counter() - began)
            if isinstance(answer, Answer):
                half = (answer.interval[1] - answer.interval[0]) / 2
                percent = half / answer.what_if_usd * 100
                read[name] = f"{answer.sampled:,}, ± {percent:.2f} %"
    return json.dumps({"rounds": ROUNDS, "times": times, "read": read})


def fill(rows: int, *, start: dt.datetime, end: dt.datetime) -> None:
    """Write so many attempts, and their calls, from one moment to another."""
    keep_partitions(since=start, until=end)
    span = end - start
    values: dict[str, Any] = {
        "models": list(MODELS),
        "start": start,
        "span": span,
        "rows": rows + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT setseed(0.5)")
        for first in range(1, rows + 1, _BATCH):
            last = min(first + _BATCH - 1, rows)
            begun = start + span * first / (rows + 1)
            cursor.execute(_DRAWN, {**values, "first": first, "last": last})
            cursor.execute(_ATTEMPTS, {})
            cursor.execute(
                _CALLS, {"first_id": first_uuid7_at(begun - dt.timedelta(seconds=1))}
            )
            cursor.execute("DROP TABLE drawn")
        cursor.execute("VACUUM ANALYZE costs_attempt, costs_call")


def _questions(
    start: dt.datetime, end: dt.datetime
) -> Mapping[str, Callable[[], object]]:
    draft = Draft("weighted", draft_targets(_TARGETS))
    book = price_history(MODELS)
    tried = {model: book.prices[model][-1] for model in MODELS}
    return {
        "attempts counted and summed": lambda: _counted("costs_attempt", start, end),
        "prices": lambda: what_if(tried, start=start, end=end, where={}),
        "routes": lambda: what_if_routed(RouteQuestion("smart", draft, start, end)),
        "calls counted and summed": lambda: _counted("costs_call", start, end),
        "cache": lambda: what_if_cached(CacheQuestion(3600, start, end)),
    }


def _counted(table: str, start: dt.datetime, end: dt.datetime) -> None:
    with connection.cursor() as cursor:
        bounds = [first_uuid7_at(start), first_uuid7_at(end)]
        cursor.execute(_COUNTED.format(table), bounds)
        cursor.fetchall()
