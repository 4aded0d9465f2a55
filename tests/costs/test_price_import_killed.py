"""A server that is killed in the midst of a price import leaves none of its rows."""

import threading
import uuid
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.installation_under_test import Installation, wait_until

ROWS = 3000
_WAITING = """
SELECT query FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""


def send(installation, caller, maker):
    lines = (f"{maker}/m{number},1.5,4,2026-01-01" for number in range(ROWS))
    body = {
        "text": "\n".join(["model,input,output,valid_from", *lines]),
        "unit": "per_million",
        "dry_run": False,
    }
    return httpx.post(
        f"{installation.url}/api/v1/prices/import/",
        json=body,
        headers=caller.headers,
        timeout=60,
    )


def written(installation, maker):
    """Return how many prices there are of a maker, and how many words of their making."""
    (row,) = installation.rows(
        "SELECT (SELECT count(*) FROM costs_price WHERE model LIKE %s) AS prices, ("
        "SELECT count(*) FROM ops_auditentry"
        " WHERE action = 'price.create' AND after ->> 'model' LIKE %s) AS entries",
        f"{maker}/%",
        f"{maker}/%",
    )
    return row["prices"], row["entries"]


@contextmanager
def stopped_at_a_price(installation, maker):
    """Let the statement that writes the prices wait for its last but one."""
    with psycopg.connect(installation.database_url) as beside:
        beside.execute(
            "INSERT INTO costs_price"
            " (model, valid_from, input, output, schedule, source, created_at)"
            " VALUES (%s, '2026-01-01T00:00Z', 1, 1, '{}', 'beside', now())",
            [f"{maker}/m{ROWS - 2}"],
        )
        yield "costs_price"
        beside.rollback()


@contextmanager
def stopped_at_the_audit(installation, maker):
    """Let all prices be written, and their first entry of the audit wait."""
    with installation.locked("ops_auditentry"):
        yield "ops_auditentry"


@pytest.mark.parametrize("stopped", [stopped_at_a_price, stopped_at_the_audit])
def test_an_import_that_is_killed_leaves_nothing_and_can_be_sent_again(
    installation: Installation, stopped
):
    caller = installation.caller(scopes=("admin",))
    maker = f"killed-{uuid.uuid4().hex[:8]}"

    def fail():
        with pytest.raises(httpx.TransportError):
            send(installation, caller, maker)

    sender = threading.Thread(target=fail)
    with stopped(installation, maker) as table:
        sender.start()
        wait_until(
            lambda: any(table in row["query"] for row in installation.rows(_WAITING)),
            within_s=30,
        )
        installation.kill_web()
    sender.join(30)
    wait_until(lambda: installation.rows(_AT_WORK) == [{"count": 0}], within_s=30)
    assert written(installation, maker) == (0, 0)

    installation.start_web()
    answer = send(installation, caller, maker)
    assert answer.status_code == 201, answer.text
    assert written(installation, maker) == (ROWS, ROWS)
