"""Ranges cut into buckets: local days, daylight saving, the period before."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from devora_ops.dashboard.filters import View
from devora_ops.dashboard.spans import window_of
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


def spanned(now=NOW, **state):
    return window_of(View(**state), now=now, zone=PARIS)


def local(moment):
    return f"{moment.astimezone(PARIS):%Y-%m-%d %H:%M}"


def test_the_month_to_date_is_compared_with_the_same_days():
    cut = spanned(range="mtd")
    assert local(cut.start) == "2026-11-01 00:00"
    assert len(cut.starts) == 22
    assert local(cut.previous_start) == "2026-10-01 00:00"
    assert local(cut.previous_end) == "2026-10-22 17:41"
    assert not cut.over


def test_the_last_month_is_over_and_compared_with_the_one_before():
    cut = spanned(range="last_month")
    assert (local(cut.start), len(cut.starts)) == ("2026-10-01 00:00", 31)
    assert cut.end < dt.datetime(2026, 10, 31, 23, tzinfo=dt.UTC)
    assert (local(cut.previous_start), local(cut.previous_end)) == (
        "2026-09-01 00:00",
        "2026-10-01 00:00",
    )
    assert cut.over


@pytest.mark.parametrize(
    ("start", "end", "resolution", "buckets"),
    [
        ("2026-11-20", "2026-11-20", "quarter", 96),
        ("2026-11-20T10:07", "2026-11-20T11:00", "quarter", 4),
        ("2026-11-10", "2026-11-12", "three_hours", 24),
        ("2026-08-01", "2026-10-31", "day", 92),
        ("2025-11-01", "2026-10-31", "week", 53),
        ("2026-11-20", "2026-12-24", "day", 3),
        ("2027-01-01", "2027-01-02", "three_hours", 1),
    ],
)
def test_a_chosen_time_has_buckets_that_fit_it(start, end, resolution, buckets):
    cut = spanned(range="custom", start=start, end=end)
    assert (cut.range.resolution, len(cut.starts)) == (resolution, buckets)
    assert list(cut.starts) == sorted(set(cut.starts))
    assert cut.previous_start < cut.previous_end <= cut.start


def test_a_year_before_and_no_comparison():
    cut = spanned(range="7d", cmp="year")
    assert local(cut.previous_end) == "2025-11-22 17:41"
    assert spanned(range="7d", cmp="none").is_compared is False
    leap = dt.datetime(2028, 2, 29, 12, tzinfo=dt.UTC)
    assert local(spanned(now=leap, cmp="year").previous_end) == "2027-02-28 13:00"
