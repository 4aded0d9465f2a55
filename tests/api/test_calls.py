"""Calls over REST: found, paged, looked into."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from costs.models import Attempt, Call
from devora_ops.common.ids import first_uuid7_at
from tests.api.callers import as_key

pytestmark = pytest.mark.django_db

CALLS = "/api/v1/calls/"


@pytest.fixture
def api():
    return as_key("read")


def make_call(minutes_ago=1, **fields):
    at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    defaults = {
        "finished_at": at,
        "agent": "support",
        "end_user": "u-1",
        "model": "a/small",
        "status": "ok",
        "http_status": 200,
        "latency_ms": 123.4,
        "cost_usd": Decimal("0.000123000"),
        "attempts": 1,
    }
    return Call.objects.create(id=first_uuid7_at(at), **{**defaults, **fields})


def ids(api, query=""):
    return [row["id"] for row in api.get(f"{CALLS}?{query}").json()["results"]]


def test_a_call_shows_its_numbers(api):
    call = make_call()
    row = api.get(CALLS).json()["results"][0]
    assert row["id"] == str(call.id)
    assert row["user"] == "u-1"
    assert row["cost_usd"] == "0.000123"
    assert row["latency_ms"] == 123.4
    assert row["ttft_ms"] is None
    started = dt.datetime.fromisoformat(row["started_at"])
    assert abs(call.finished_at - started) < dt.timedelta(milliseconds=2)


def test_an_unpriced_call_costs_null_and_not_zero(api):
    make_call(cost_usd=None)
    assert api.get(CALLS).json()["results"][0]["cost_usd"] is None


def test_pages_follow_each_other_without_gap_or_repeat(api):
    made = [str(make_call(n).id) for n in range(7)]
    seen, address = [], f"{CALLS}?limit=3"
    while address:
        page = api.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert seen == made


def test_rows_that_arrive_do_not_move_the_next_page(api):
    made = [str(make_call(n).id) for n in range(1, 5)]
    address = api.get(f"{CALLS}?limit=2").json()["next"]
    make_call(0)
    assert [row["id"] for row in api.get(address).json()["results"]] == made[2:]


@pytest.mark.parametrize(
    "query",
    ["user=u-2", "agent=other", "model=a/big", "status=error", "stream=true"],
)
def test_a_filter_finds_the_one_call(api, query):
    make_call(2)
    fields = {
        "end_user": "u-2",
        "agent": "other",
        "model": "a/big",
        "status": "error",
        "stream": True,
    }
    wanted = make_call(1, **fields)
    assert ids(api, query) == [str(wanted.id)]


def test_a_range_bounds_what_is_found(api):
    old, new = make_call(60 * 24 * 20), make_call(5)
    assert ids(api) == [str(new.id)]
    assert ids(api, "from=now-30d&to=now-1d") == [str(old.id)]


def test_a_call_shows_its_tries_in_order(api):
    call = make_call(attempts=2)
    for number, state in ((2, "settled"), (1, "released")):
        Attempt.objects.create(
            id=first_uuid7_at(call.finished_at + dt.timedelta(seconds=number)),
            call_id=call.id,
            number=number,
            provider="a",
            model="a/small",
            state=state,
            settled_at=call.finished_at,
            latency_ms=1,
        )
    tries = api.get(f"{CALLS}{call.id}/").json()["tries"]
    assert [(t["number"], t["state"]) for t in tries] == [
        (1, "released"),
        (2, "settled"),
    ]


def test_a_list_costs_two_queries_however_long(api, django_assert_num_queries):
    for n in range(5):
        make_call(n)
    with django_assert_num_queries(2):  # the key, the calls
        api.get(CALLS)
