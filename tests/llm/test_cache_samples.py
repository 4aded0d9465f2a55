"""What a part of the calls says of the cache: on traffic made up here, always the same."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection

from devora_ops.demo.books import keep_partitions
from llm.cache_question import CacheQuestion
from llm.what_if_cache import what_if_cached
from llm.what_if_words import cache_assumptions

pytestmark = pytest.mark.django_db

START = dt.datetime(2025, 3, 3, tzinfo=dt.UTC)
SPAN = dt.timedelta(days=8)
CALLS = 40_000
MOST = 12_000
ROUNDS = 12

# Who asks for what, by a number from 0 to 1 that a hash of the call's gives.
TRAFFIC = {
    "a giant of three fifths": "CASE WHEN u < 0.6 THEN 0 ELSE floor(u * 1e4) END",
    "giants alone": "floor(u * 4)",
    "a giant of a day": "CASE WHEN n BETWEEN 20000 AND 25000 OR u < 0.1 THEN 0 "
    "ELSE floor(u * 2e4) END",
    "a hundred middling": "floor(u * 100)",
    "many rare": "floor(u * 3e4)",
}
_WRITTEN = """
INSERT INTO costs_call (
    id, finished_at, team, agent, model, requested, status, http_status, cache,
    input_tokens, output_tokens, cost_usd, latency_ms, attempts, fingerprint)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(n::text), 14))::uuid,
    at + interval '2 s', '', '', 'openai/gpt-5.4', 'smart', 'ok', 200, 'off', 1, 1,
    0.001 * (1 + abs(hashint8(asked)) %% 5), 2000, 1, asked
FROM (
    SELECT n, ({asked})::bigint AS asked,
        %(start)s + %(span)s * (n + abs(hashint8(n)) / 2147483648.0) / (%(calls)s + 1) AS at
    FROM (
        SELECT n::bigint, (hashint8extended(n, 3) & 1048575) / 1048576.0 AS u
        FROM generate_series(1, %(calls)s) AS n
    ) AS drawn
) AS called
"""


@pytest.fixture(params=TRAFFIC)
def traffic(request):
    keep_partitions(since=START, until=START + SPAN)
    values = {"start": START, "span": SPAN, "calls": CALLS}
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN.format(asked=TRAFFIC[request.param]), values)
        cursor.execute("ANALYZE costs_call")
    return request.param


def ask(ttl_s, *, most):
    return what_if_cached(CacheQuestion(ttl_s, START, START + SPAN), most=most)


def call_requests_otherwise():
    """Give every request another fingerprint, so that others are drawn."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE costs_call SET fingerprint = hashint8extended(fingerprint, 9)"
        )


def test_a_part_holds_the_truth_and_is_never_more_than_it_may_be(traffic):
    truths = {ttl_s: ask(ttl_s, most=CALLS) for ttl_s in (900, 86_400)}
    assert all(truth.exact for truth in truths.values())
    held, sums = 0, dict.fromkeys(truths, Decimal(0))
    for _ in range(ROUNDS):
        call_requests_otherwise()
        for ttl_s, truth in truths.items():
            found = ask(ttl_s, most=MOST)
            assert found.sampled <= MOST
            assert not found.exact
            assert found.actual_usd == truth.actual_usd
            assert found.in_blocks or "giant" not in traffic
            low, high = found.interval
            held += low <= truth.what_if_usd <= high
            sums[ttl_s] += found.what_if_usd
    assert held >= 0.8 * ROUNDS * len(truths)
    for ttl_s, truth in truths.items():
        off = abs(sums[ttl_s] / ROUNDS - truth.what_if_usd)
        assert off < truth.what_if_usd / 20 + truth.actual_usd / 1000


@pytest.mark.parametrize("traffic", ["a giant of three fifths"], indirect=True)
def test_giants_are_cut_where_they_do_not_fit_into_half(traffic):
    call_requests_otherwise()
    found, again = ask(900, most=CALLS - 1), ask(900, most=CALLS - 1)
    assert found == again
    assert 0.3 * CALLS < found.sampled < CALLS
    assert any("blocks of time" in line for line in cache_assumptions(found))


@pytest.mark.parametrize("traffic", ["a giant of a day"], indirect=True)
def test_giants_are_read_whole_where_they_fit_into_half(traffic):
    truth, found = ask(900, most=CALLS), ask(900, most=CALLS // 2)
    assert not found.in_blocks
    assert found.sampled <= CALLS // 2
    assert any("are read whole" in line for line in cache_assumptions(found))
    low, high = found.interval
    assert low <= truth.what_if_usd <= high
