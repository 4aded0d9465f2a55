"""The months of the facts: made in time, found by their rows, and made once."""

import datetime as dt
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from costs.models import Attempt, Call
from devora_ops.celery import app
from devora_ops.common.ids import first_uuid7_at
from llm.models import Content

pytestmark = pytest.mark.django_db

FACTS = ("costs_call", "costs_attempt")
CONTENT = "llm_content"


def keep():
    """Run the tasks as the worker does whom beat sends them."""
    app.loader.import_default_modules()
    sent = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    for task in ("costs.keep_partitions", "llm.keep_content"):
        assert task in sent
        app.tasks[task].apply(throw=True)


def month(number):
    """Return the first moment of the month so many months from now."""
    now = timezone.now().astimezone(dt.UTC)
    whole = now.year * 12 + now.month - 1 + number
    return dt.datetime(whole // 12, whole % 12 + 1, 1, tzinfo=dt.UTC)


def named(table, moment):
    return f"{table}_{moment:%Y_%m}"


def ask(query, *values):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def partitions(table):
    """Return the names of a table's partitions with what each holds."""
    return dict(
        ask(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits "
            "JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = %s::regclass",
            table,
        )
    )


def place_of(table, column, value):
    """Return the name of the partition that holds a row."""
    (name,) = ask(
        f"SELECT tableoid::regclass::text FROM {table} WHERE {column} = %s", value
    )
    return name[0]


@pytest.fixture
def without_next_month():
    """Take next month's partitions away, as if nobody had prepared them."""
    for table in (*FACTS, CONTENT):
        ask_nothing(f"DROP TABLE IF EXISTS {named(table, month(1))}")


def ask_nothing(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", [*FACTS, CONTENT])
def test_this_month_and_the_next_are_there_after_the_tasks(table, without_next_month):
    assert named(table, month(1)) not in partitions(table)
    keep()
    assert {named(table, month(n)) for n in (0, 1)} <= partitions(table).keys()


@pytest.mark.parametrize("table", [*FACTS, CONTENT])
def test_months_border_on_each_other_without_a_gap(table):
    keep()
    bounds = [partitions(table)[named(table, month(n))] for n in (0, 1)]
    ends, begins = (bound.partition(" TO ")[2] for bound in bounds), bounds[1]
    assert f"FROM {next(ends)} TO" in begins


def test_a_row_of_next_month_lands_in_its_own_partition(without_next_month):
    keep()
    first, last = month(1), month(2) - dt.timedelta(milliseconds=1)
    for moment in (first, last):
        id_ = first_uuid7_at(moment)
        make_facts(id_, moment)
        assert place_of("costs_call", "id", id_) == named("costs_call", first)
        assert place_of("costs_attempt", "id", id_) == named("costs_attempt", first)
        assert place_of(CONTENT, "call_id", id_) == named(CONTENT, first)


def test_the_last_row_of_this_month_stays_in_this_month():
    keep()
    moment = month(1) - dt.timedelta(milliseconds=1)
    id_ = first_uuid7_at(moment)
    make_facts(id_, moment)
    assert place_of("costs_call", "id", id_) == named("costs_call", month(0))


def test_a_month_that_nobody_prepared_refuses_no_row():
    moment = month(7)
    id_ = first_uuid7_at(moment)
    make_facts(id_, moment)
    assert place_of("costs_call", "id", id_) == "costs_call_default"


def test_a_month_that_is_made_late_takes_its_rows_along(without_next_month):
    moment = month(1)
    id_ = first_uuid7_at(moment)
    make_facts(id_, moment)
    keep()
    assert place_of("costs_call", "id", id_) == named("costs_call", moment)
    assert place_of("costs_attempt", "id", id_) == named("costs_attempt", moment)
    assert place_of(CONTENT, "call_id", id_) == named(CONTENT, moment)
    assert Attempt.objects.get(call_id=id_).cost_usd == Decimal("0.5")


def test_a_month_has_the_indexes_of_the_whole(without_next_month):
    keep()
    for table in FACTS:
        whole, part = (
            len(ask("SELECT 1 FROM pg_index WHERE indrelid = %s::regclass", name))
            for name in (table, named(table, month(1)))
        )
        assert whole == part


def test_the_tasks_may_run_again_and_change_nothing():
    keep()
    before = [partitions(table) for table in (*FACTS, CONTENT)]
    make_facts(first_uuid7_at(month(1)), month(1))
    keep()
    assert [partitions(table) for table in (*FACTS, CONTENT)] == before
    assert Call.objects.exists()
    assert Content.objects.exists()


def make_facts(id_, moment):
    """Write a call, its attempt and what it said under one id."""
    shared = {"model": "a/small", "latency_ms": 1, "cost_usd": Decimal("0.5")}
    Call.objects.create(
        id=id_, finished_at=moment, status="ok", http_status=200, **shared
    )
    Attempt.objects.create(
        id=id_, call_id=id_, number=1, state="settled", settled_at=moment, **shared
    )
    Content.objects.create(call_id=id_, request="{}", response="{}")
