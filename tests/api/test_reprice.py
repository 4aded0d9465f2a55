"""Repricing a period: adjustments beside the facts, which stay as they are."""

import datetime as dt
import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from costs.adjusting import reprice
from costs.export import ledger_rows
from costs.models import Attempt, Price
from costs.pricing import Usage
from devora_ops.common.errors import Unprocessable
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_key, codes_of
from tests.dashboard.ledger import record, settled

REPRICE = "/api/v1/prices/reprice/"
COSTS = "/api/v1/costs/"
MODEL = "a/small"


def price(model=MODEL, *, days_ago, rate):
    return Price.objects.create(
        model=model,
        valid_from=timezone.now() - dt.timedelta(days=days_ago),
        input=Decimal(rate),
        output=Decimal(0),
        source="list",
    )


def tried(by, *, cost="0.1", tokens=100, hours_ago=3, raw=None, **who):
    """Record an attempt that was billed by a price, or had none."""
    at = timezone.now() - dt.timedelta(hours=hours_ago)
    settlement = settled(at, model=MODEL, **who)
    attempt = settlement.attempts[-1]
    attempt.usage, attempt.raw_usage = Usage(input=tokens), raw
    attempt.price_id = None if by is None else by.pk
    attempt.cost_usd = None if cost is None else Decimal(cost)
    record(settlement)


@pytest.fixture
def api(db):
    return as_key("admin")


@pytest.fixture
def corrected(api):
    """Serve three attempts at a price that turns out to have been twice as high."""
    old = price(days_ago=9, rate="0.001")
    tried(old, user="u1", prompt="greet")
    tried(old, user="u2", team="sales")
    tried(old, cost="0.123", user="u3")  # by nothing that is stored
    price(days_ago=2, rate="0.002")
    return api


def ask(api, **more):
    body = {"model": MODEL, "from": "now-1d", "to": "now", **more}
    return api.post(REPRICE, body, format="json")


def spent(api, query=""):
    answer = api.get(f"{COSTS}?from=now-1d{query}")
    assert answer.status_code == 200, answer.content
    return Decimal(answer.json()["total"]["cost_usd"])


def posted():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM costs_adjustment")
        return cursor.fetchone()[0]


def test_a_preview_says_the_sums_and_posts_nothing(corrected):
    answer = ask(corrected)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["old_usd"], body["new_usd"]) == ("0.323", "0.523")
    assert (body["difference_usd"], body["adjustments"]) == ("0.2", 2)
    counted = {name: n for name, n in body["attempts"].items() if n}
    assert counted == {"repriced": 2, "unexplained": 1}
    assert (spent(corrected), posted()) == (Decimal("0.323"), 0)


def test_sums_include_adjustments_and_attempts_keep_what_they_cost(corrected):
    before = list(Attempt.objects.order_by("id").values_list("id", "cost_usd"))
    assert ask(corrected, dry_run=False).status_code == 201
    assert list(Attempt.objects.order_by("id").values_list("id", "cost_usd")) == before
    for query, expected in (
        ("", "0.523"),
        ("&by=user", "0.523"),
        ("&team=sales", "0.2"),
        ("&by=user&prompt=greet", "0.2"),  # from the facts
        ("&by=experiment", "0.523"),
        ("&user=u3", "0.123"),
    ):
        assert spent(corrected, query) == Decimal(expected), query
    entry = AuditEntry.objects.get(action="price.reprice")
    assert entry.after["new_usd"] == "0.523000000"


def test_repeating_it_posts_nothing_and_a_new_price_only_what_is_new(corrected):
    ask(corrected, dry_run=False)
    rows = posted()
    again = ask(corrected, dry_run=False).json()
    assert (again["adjustments"], again["difference_usd"]) == (0, "0")
    assert again["old_usd"] == "0.523"
    assert posted() == rows

    price(days_ago=1.5, rate="0.001")
    back = ask(corrected, dry_run=False).json()
    assert back["difference_usd"] == "-0.2"
    assert spent(corrected) == Decimal("0.323")


def test_what_had_no_price_gets_one_and_is_counted_no_longer(api):
    tried(None, cost=None, user="u1")
    price(days_ago=2, rate="0.002")
    ask(api, dry_run=False)
    total = api.get(f"{COSTS}?from=now-1d").json()["total"]
    assert (total["cost_usd"], total["unpriced"]) == ("0.2", 0)
    facts = api.get(f"{COSTS}?from=now-1d&by=user,prompt").json()["total"]
    assert (facts["cost_usd"], facts["unpriced"]) == ("0.2", 0)
    assert ask(api).json()["adjustments"] == 0


def test_a_usage_as_told_decides_what_no_column_says(api):
    old = price(days_ago=9, rate="0.001")
    tried(old, cost="0.6", raw={"server_tool_use": {"web_search_requests": 1}})
    Price.objects.filter(pk=old.pk).update(web_search=Decimal("0.5"))
    price(days_ago=2, rate="0.002")
    assert ask(api).json()["new_usd"] == "0.2"


def test_only_the_period_and_the_model_are_repriced(corrected):
    assert ask(corrected, model="a/other").json()["attempts"]["repriced"] == 0
    earlier = ask(corrected, **{"from": "now-3d", "to": "now-1d"}).json()
    assert sum(earlier["attempts"].values()) == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"from": "now", "to": "now-1d"}, "range"),
        ({"from": "2026-03-01T00:00:00"}, "timezone_required"),
        ({"model": "a\0"}, "nul_character"),
        ({"dry_run": "no"}, "invalid"),
        ({"budget": 1}, "unknown_field"),
    ],
)
def test_what_is_no_repricing_is_refused(api, body, code):
    answer = ask(api, **body)
    assert (answer.status_code, codes_of(answer)) == (400, {code})


def test_more_attempts_than_one_waits_for_are_refused(corrected):
    now = timezone.now()
    with pytest.raises(Unprocessable):
        reprice(MODEL, now - dt.timedelta(days=1), now, actor="a", most=2)


def command(*arguments):
    out = StringIO()
    call_command("reprice", *arguments, stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def test_the_command_previews_unless_it_is_to_apply(corrected):
    now = timezone.now()
    period = (
        "--from",
        (now - dt.timedelta(days=1)).isoformat(),
        "--to",
        now.isoformat(),
    )
    assert command(MODEL, *period)["difference_usd"] == "0.2"
    assert posted() == 0
    assert command(MODEL, *period, "--apply")["dry_run"] is False
    assert posted() == 2


@pytest.mark.parametrize("since", ["yesterday", "0001-01-01", "2030-01-01"])
def test_the_command_refuses_what_is_no_period(db, since):
    with pytest.raises(CommandError):
        command(MODEL, "--from", since, "--to", "2026-11-01")


def test_the_export_sums_up_to_what_the_period_costs_now(corrected):
    began = timezone.now()
    hours = [began - dt.timedelta(hours=8), began]
    reprice(MODEL, *hours, actor="a", dry_run=False)
    rows = list(ledger_rows(hours[0]))
    added = [row for row in rows if row["state"] == "adjustment"]
    assert {row["attempt_id"] for row in added} == {None}
    assert {(row["provider"], row["model"]) for row in added} == {("a", MODEL)}
    total = corrected.get(f"{COSTS}?from=now-9h").json()["total"]["cost_usd"]
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal(total)
    assert list(ledger_rows(timezone.now())) == []
