"""Ranges cut into buckets: local days, daylight saving, the period before."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from devora_ops.dashboard.windows import RANGES, window

PARIS = ZoneInfo("Europe/Paris")
KOLKATA = ZoneInfo("Asia/Kolkata")
NOW = dt.datetime(2026, 11, 22, 16, 41, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("name", RANGES)
def test_a_window_has_its_buckets_in_order_and_now_in_the_last(name):
    cut = window(name, now=NOW, zone=PARIS)
    assert len(cut.starts) == RANGES[name].buckets
    assert list(cut.starts) == sorted(set(cut.starts))
    assert cut.starts[-1] <= NOW


@pytest.mark.parametrize("name", RANGES)
def test_the_previous_period_ends_before_this_one_begins(name):
    cut = window(name, now=NOW, zone=PARIS)
    assert cut.previous_start < cut.previous_end <= cut.start


@pytest.mark.parametrize("name", ["1h", "24h"])
def test_short_ranges_step_by_equal_times(name):
    starts = window(name, now=NOW, zone=PARIS).starts
    steps = {later - sooner for sooner, later in zip(starts, starts[1:], strict=False)}
    assert len(steps) == 1


def test_days_begin_at_midnight_where_the_person_is():
    for zone in (PARIS, KOLKATA):
        locals_ = window("30d", now=NOW, zone=zone).local_starts()
        assert {(start.hour, start.minute) for start in locals_} == {(0, 0)}


def test_the_day_that_clocks_go_back_has_25_hours():
    after = dt.datetime(2026, 10, 27, 12, 0, tzinfo=dt.UTC)
    starts = window("30d", now=after, zone=PARIS).starts
    lengths = [
        later - sooner for sooner, later in zip(starts, starts[1:], strict=False)
    ]
    assert lengths.count(dt.timedelta(hours=25)) == 1
    assert lengths.count(dt.timedelta(hours=24)) == len(lengths) - 1


def test_the_day_that_clocks_go_forward_has_23_hours():
    after = dt.datetime(2026, 4, 2, 12, 0, tzinfo=dt.UTC)
    starts = window("30d", now=after, zone=PARIS).starts
    lengths = [
        later - sooner for sooner, later in zip(starts, starts[1:], strict=False)
    ]
    assert dt.timedelta(hours=23) in lengths


@pytest.mark.parametrize("name", ["24h", "7d", "30d", "90d"])
def test_every_bucket_begins_on_a_quarter_of_an_hour(name):
    for start in window(name, now=NOW, zone=KOLKATA).starts:
        assert start.timestamp() % 900 == 0
