"""`seed_calls`: as many calls as asked for, which add up like all others."""

import datetime as dt
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from devora_ops.demo.seeding import seed
from tests.demo.conftest import NOW
from tests.demo.sums import FROM_FACTS, FROM_ROLLUPS, ROLLUPS

pytestmark = pytest.mark.django_db


def asked(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def seeded(count: int, *, days: int) -> list[int]:
    told: list[int] = []
    seed(count, days=days, now=NOW, progress=told.append)
    return told


@pytest.mark.parametrize(("count", "days"), [(1, 1), (57, 30), (400, 30), (90, 7)])
def test_it_writes_as_many_as_asked_and_they_add_up(count, days):
    told = seeded(count, days=days)
    facts = asked(FROM_FACTS, "seed")
    assert facts[0][0] == count == told[-1]
    for table in ROLLUPS:
        assert asked(FROM_ROLLUPS.format(table=table), "seed") == facts


def test_a_lone_call_without_an_attempt_adds_up_too():
    """Some calls have none: refused by a budget, or served from the cache."""
    while asked("SELECT count(*) FROM costs_call WHERE attempts = 0") == [(0,)]:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE costs_call, costs_attempt, {', '.join(ROLLUPS)}")
        seeded(1, days=1)
    facts = asked(FROM_FACTS, "seed")
    for table in ROLLUPS:
        assert asked(FROM_ROLLUPS.format(table=table), "seed") == facts


def test_calls_lie_in_the_days_asked_for_with_ids_of_their_time():
    seeded(300, days=30)
    outside = asked(
        "SELECT count(*) FROM costs_call WHERE id < ops_first_uuid7_at(%s) "
        "OR id >= ops_first_uuid7_at(%s)",
        NOW - dt.timedelta(days=30),
        NOW,
    )
    assert outside == [(0,)]
    days = asked("SELECT count(DISTINCT finished_at::date) FROM costs_call")
    assert days[0][0] >= 29
    wrong = asked(
        "SELECT count(*) FROM costs_call WHERE id >= ops_first_uuid7_at(finished_at "
        "+ interval '1 ms')"
    )
    assert wrong == [(0,)]


def test_attempts_belong_to_their_calls():
    seeded(300, days=30)
    orphans = asked(
        "SELECT count(*) FROM costs_attempt a LEFT JOIN costs_call c ON c.id = a.call_id "
        "WHERE c.id IS NULL"
    )
    assert orphans == [(0,)]


def test_a_second_run_adds_others():
    seeded(60, days=3)
    seeded(60, days=3)
    facts = asked(FROM_FACTS, "seed")
    assert facts[0][0] == 120
    assert asked(FROM_ROLLUPS.format(table="costs_rollup_work"), "seed") == facts


@pytest.mark.parametrize("options", [{"days": 0}, {"days": 4000}])
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(CommandError, match="--days from 1"):
        call_command("seed_calls", 5, **options)
