"""A page's state in its address: read, written again, and what is no state."""

import pytest
from django.http import QueryDict

from devora_ops.dashboard.filters import Scope, View, parse


def test_an_empty_address_is_the_usual_view():
    view = parse(QueryDict(""))
    assert view == View()
    assert view.query() == ""


@pytest.mark.parametrize(
    "address",
    [
        "range=30d",
        "range=24h&by=agent&metric=tokens",
        "agent=bot&agent=%21old&model=openai%2Fgpt-5.2",
        "team=care&somebody=else",
        "range=mtd&cmp=year&tz=Asia%2FTokyo&prompt=welcome&exp=shorter&status=error",
        "range=custom&from=2026-11-01&to=2026-11-05T12%3A00&user=ada&key=k1",
    ],
)
def test_an_address_comes_back_as_it_was(address):
    assert parse(QueryDict(address)).query() == address


def test_defaults_are_left_out():
    assert parse(QueryDict("range=7d&by=model&metric=cost")).query() == ""


@pytest.mark.parametrize("name", ["range", "cmp", "by", "metric"])
@pytest.mark.parametrize("value", ["", "1y", "7d'--", "\0", "\ud800"])
def test_a_value_that_means_nothing_is_named_and_left_out(name, value):
    query = QueryDict(mutable=True)
    query[name] = value
    view = parse(query)
    assert getattr(view, name) == getattr(View(), name)
    assert [ignored.name for ignored in view.ignored] == [name]
    view.ignored[0].value.encode()


@pytest.mark.parametrize("value", ["a\0b", "!", "", "x" * 300, "\udcff"])
def test_a_filter_that_no_column_can_hold_is_left_out(value):
    query = QueryDict(mutable=True)
    query["agent"] = value
    view = parse(query)
    assert view.scope == Scope()
    assert len(view.ignored) == 1


def test_more_than_twenty_values_are_too_many():
    query = QueryDict("&".join(f"agent=a{n}" for n in range(25)))
    view = parse(query)
    assert len(view.scope.agent) == 20
    assert len(view.ignored) == 5


def test_a_scope_admits_what_it_names_and_not_what_it_excludes():
    scope = Scope(agent=("bot",), model=("!openai/gpt-5.2",))
    assert scope.matches({"agent": "bot", "model": "a/b", "team": "care"})
    assert not scope.matches({"agent": "bot", "model": "openai/gpt-5.2"})
    assert not scope.matches({"agent": "other", "model": "a/b"})
    assert Scope().matches({})


def test_changes_replace_a_dimension():
    view = parse(QueryDict("agent=bot&range=24h"))
    assert view.query(agent=["other"]) == "range=24h&agent=other"
    assert view.query(agent=None, range="30d") == "range=30d"


@pytest.mark.parametrize(
    "address",
    [
        "range=custom",
        "range=custom&from=2026-11-05&to=2026-11-01",
        "range=custom&from=yesterday&to=2026-11-01",
        "range=custom&from=0001-01-01&to=2026-11-01",
        "range=custom&from=2001-01-01&to=2026-11-01",
        "range=custom&from=2026-11-01T00:00%2B02:00&to=%00",
    ],
)
def test_a_time_without_two_good_ends_is_left_out(address):
    view = parse(QueryDict(address))
    assert view.range == View().range
    assert len(view.ignored) == 1


def test_a_time_zone_that_nobody_knows_is_left_out():
    view = parse(QueryDict("tz=Mars%2FOlympus"))
    assert view.tz == ""
    assert [ignored.name for ignored in view.ignored] == ["tz"]


@pytest.mark.parametrize(
    "address", ["user=ada&prompt=welcome", "key=k1&exp=shorter", "user=ada&range=1h"]
)
def test_filters_that_no_sum_answers_together_are_named(address):
    view = parse(QueryDict(address))
    assert [ignored.crosses for ignored in view.ignored] == [True]
    assert not view.scope.user
    assert not view.scope.key


def test_a_split_by_prompt_yields_to_a_filter_by_user():
    view = parse(QueryDict("by=prompt&user=ada"))
    assert view.by == "model"
    assert view.scope.user == ("ada",)
    assert [ignored.name for ignored in view.ignored] == ["by"]
