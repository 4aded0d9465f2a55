"""Proof that what was fast was also right: every answer in the ledger, exactly once."""

import time
from collections.abc import Mapping
from decimal import Decimal

import orjson
import psycopg

from benchmarks.installation import PROVIDER, Installation
from benchmarks.stage import BenchmarkError, Stage

_WRITTEN_S = 10.0

_COUNTS = """
SELECT (SELECT count(*) FROM costs_call WHERE status = 'ok'),
       (SELECT count(*) FROM costs_call WHERE status = 'cached'),
       (SELECT count(*) FROM costs_call),
       (SELECT count(*) FROM costs_attempt),
       (SELECT count(*) FROM llm_content),
       (SELECT count(*) FROM costs_hold)
"""
_COSTS = "SELECT id::text, cost_usd FROM costs_attempt"
_RATES = "SELECT input, output FROM costs_price WHERE model LIKE %s"


def check(
    stage: Stage, installation: Installation, answered: int, *, cached: int = 0
) -> list[str]:
    """Return what is wrong: rows against answers, costs against the upstream's bill.

    answered, cached: how many answers came from upstream and from the cache.
    """
    with psycopg.connect(installation.postgres.url, autocommit=True) as connection:
        wrong = _counts(connection, answered, cached)
        wrong += _costs(connection, stage)
    return wrong + verify(stage, installation)


def verify(stage: Stage, installation: Installation) -> list[str]:
    """Return what `verify_ledger` finds wrong."""
    try:
        stage.run(
            "verify_ledger", "manage.py", "verify_ledger", environ=installation.environ
        )
    except BenchmarkError as error:
        return [str(error)]
    return []


def _counts(connection: psycopg.Connection, answered: int, cached: int) -> list[str]:
    """Wait until the last batches are written, and compare with what was answered."""
    both = answered + cached
    expected = (answered, cached, both, answered, both, 0)
    deadline = time.monotonic() + _WRITTEN_S
    while (counts := connection.execute(_COUNTS).fetchone()) != expected:
        if time.monotonic() > deadline:
            return [
                "(calls ok, calls cached, calls, attempts, contents, open holds) are "
                f"{counts}, not {expected}"
            ]
        time.sleep(0.1)
    return []


def _costs(connection: psycopg.Connection, stage: Stage) -> list[str]:
    rates = connection.execute(_RATES, [f"{PROVIDER}/%"]).fetchone()
    assert rates is not None
    billed = _billed(stage, *rates)
    booked: dict[str, Decimal] = dict(connection.execute(_COSTS).fetchall())
    if booked == billed:
        return []
    differ = sum(booked.get(each) != cost for each, cost in billed.items())
    return [
        f"the upstream billed {len(billed)} attempts, {sum(billed.values())} USD; the "
        f"ledger has {len(booked)}, {sum(booked.values())} USD; {differ} differ"
    ]


def _billed(stage: Stage, inward: Decimal, outward: Decimal) -> dict[str, Decimal]:
    """Price what the simulator's file says it would bill the gateway, attempt by attempt."""
    costs: dict[str, Decimal] = {}
    with (stage.folder / "simulator.jsonl").open("rb") as lines:
        for line in lines:
            if b'"billed"' not in line or b'"attempt":null' in line:
                continue
            entry: Mapping[str, Mapping[str, int]] = orjson.loads(line)
            usage, attempt = entry["usage"], str(entry["attempt"])
            cost = (
                usage["prompt_tokens"] * inward + usage["completion_tokens"] * outward
            )
            costs[attempt] = costs.get(attempt, Decimal(0)) + cost
    return costs
