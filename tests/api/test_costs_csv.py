"""Costs as a file, and what belongs to nobody: told apart, and never cut."""

import csv
import datetime as dt
import io
import itertools

import pytest
from django.utils import timezone

from tests.api.callers import as_key, codes_of
from tests.api.test_costs import MARCH, work
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db

COSTS = "/api/v1/costs/"
LEVELS = ("model", "agent", "team", "user", "prompt", "prompt_version", "key")


@pytest.fixture
def api():
    return as_key("read")


def rows_of(answer):
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def as_cell(value):
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


@pytest.mark.parametrize("by", ["model,prompt", "day", "prompt,prompt_version"])
def test_the_file_has_the_rows_of_the_json(api, by):
    work(model="a/small", prompt="greet", cost_usd="0.000000001", calls=2)
    work(model="a/big", cost_usd="12.5", scored=2, score_sum="15")
    query = f"{COSTS}?by={by}&{MARCH}"
    wanted = [
        {name: as_cell(value) for name, value in row.items()}
        for row in api.get(query).json()["results"]
    ]
    assert rows_of(api.get(f"{query}&format=csv")) == wanted
    assert rows_of(api.get(query, headers={"Accept": "text/csv"})) == wanted


def test_a_file_without_rows_has_its_header(api):
    text = api.get(f"{COSTS}?by=team&format=csv").content.decode()
    assert text.startswith("team,calls,")
    assert text.count("\n") == 1


def test_a_name_that_is_a_formula_is_not_run(api):
    for name in ("=1+1", "+1", "-1", "@x"):
        work(team=name, cost_usd="1")
    rows = rows_of(api.get(f"{COSTS}?by=team&{MARCH}&format=csv"))
    assert {row["team"] for row in rows} == {"'=1+1", "'+1", "'-1", "'@x"}


def test_refusals_stay_json(api):
    answer = api.get(f"{COSTS}?by=secret&format=csv")
    assert answer.status_code == 400
    assert codes_of(answer) == {"invalid_choice"}


def test_rows_of_nobody_say_so(api):
    work(team="", prompt="", cost_usd="1")
    work(team="care", prompt="greet", prompt_version=1, cost_usd="2")
    rows = api.get(f"{COSTS}?by=team,prompt,prompt_version&{MARCH}").json()["results"]
    assert [(row["team"], row["unattributed"]) for row in rows] == [
        ("care", []),
        ("", ["team", "prompt", "prompt_version"]),
    ]


def test_rows_of_nobody_are_never_cut_with_the_cheap_ones(api):
    work(team="", cost_usd="0.1")
    for team in ("a", "b", "c"):
        work(team=team, cost_usd="1", calls=ord(team))
    rows = api.get(f"{COSTS}?by=team&limit=2&{MARCH}").json()["results"]
    assert [row["team"] for row in rows] == ["c", "b", ""]


def test_days_are_nobodys_lack(api):
    work(cost_usd="1")
    (row,) = api.get(f"{COSTS}?by=day&{MARCH}").json()["results"]
    assert row["unattributed"] == []


@pytest.mark.parametrize("by", list(itertools.permutations(LEVELS, 2)), ids=",".join)
def test_two_levels_sum_to_the_total(api, by):
    now = timezone.now() - dt.timedelta(minutes=1)
    one = {"agent": "a", "key": "k", "user": "u", "prompt": "p", "version": 2}
    record(
        settled(now, **one, cost="0.5"),
        settled(now, **one, cost="0.25"),
        settled(now, agent="b", team="x", model="b/big", cost="2"),
    )
    body = api.get(f"{COSTS}?by={','.join(by)}&from=now-2h").json()
    assert [row["cost_usd"] for row in body["results"]] == ["2", "0.75"]
    assert body["total"]["cost_usd"] == "2.75"
    dearest, other = body["results"]
    assert all(dearest[name] != other[name] for name in by)
