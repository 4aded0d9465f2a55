"""Numbers as people read them, in both languages."""

from decimal import Decimal

import pytest
from django.utils import translation

from devora_ops.common import formats
from devora_ops.common.formats import NARROW_SPACE as THIN


@pytest.mark.parametrize(
    ("amount", "english", "french"),
    [
        ("0", "$0.00", f"0,00{THIN}$"),
        ("0.00042", "$0.00042", f"0,00042{THIN}$"),
        ("0.000000001", "$0.000000001", f"0,000000001{THIN}$"),
        ("0.123456", "$0.1235", f"0,1235{THIN}$"),
        ("0.5", "$0.50", f"0,50{THIN}$"),
        ("0.99999", "$1.00", f"1,00{THIN}$"),
        ("12.3", "$12.30", f"12,30{THIN}$"),
        ("1284.2", "$1,284.20", f"1{THIN}284,20{THIN}$"),
        ("-3.5", "-$3.50", f"-3,50{THIN}$"),
    ],
)
def test_money(amount, english, french):
    with translation.override("en"):
        assert formats.money(Decimal(amount)) == english
    with translation.override("fr"):
        assert formats.money(Decimal(amount)) == french


@pytest.mark.parametrize(
    ("amount", "english", "french"),
    [
        ("0.002308000", "$0.002308", f"0,002308{THIN}$"),
        ("5.300000000", "$5.30", f"5,30{THIN}$"),
        ("1200", "$1,200.00", f"1{THIN}200,00{THIN}$"),
        ("12.345678901", "$12.345678901", f"12,345678901{THIN}$"),
    ],
)
def test_exact_money(amount, english, french):
    with translation.override("en"):
        assert formats.exact_money(Decimal(amount)) == english
    with translation.override("fr"):
        assert formats.exact_money(Decimal(amount)) == french


def test_a_tile_has_no_cents_from_a_hundred_on():
    assert formats.money(Decimal("1284.20"), tile=True) == "$1,284"
    assert formats.money(Decimal("99.20"), tile=True) == "$99.20"
    assert formats.money(Decimal("0.123456"), tile=True) == "$0.123"


def test_no_price_is_no_zero():
    assert formats.money(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (9999, "9,999"), (12_345, f"12.3{THIN}k"), (61_200_000, f"61.2{THIN}M")],
)
def test_large_counts_are_short(value, text):
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (7.4, f"7{THIN}ms"),
        (999.4, f"999{THIN}ms"),
        (1420, f"1.42{THIN}s"),
        (14_200, f"14.2{THIN}s"),
    ],
)
def test_latency_changes_its_unit_at_a_second(value, text):
    assert formats.latency(value) == text


def test_a_share_short_of_everything_never_reads_100():
    assert formats.percent(0.99999) == "99.9%"
    assert formats.percent(1) == "100.0%"
    assert formats.percent(-0.0001) == "0.0%"


def compare(now, before, **how):
    given = {"previous": "last week", "welcome": "down", "calls": 100, **how}
    return formats.delta(now, before, **given)


def test_a_rise_says_so_in_a_sign_and_in_words():
    change = compare(112, 100)
    assert (change.direction, change.tone, change.text) == ("up", "caution", "12%")
    assert change.words == "up 12% on last week"


def test_a_rise_that_is_welcome_is_good_and_a_fall_of_it_bad():
    assert compare(2, 1, welcome="up").tone == "good"
    assert compare(1, 2, welcome="up").tone == "bad"
    assert compare(1, 2, welcome="neutral").tone == "neutral"


def test_a_large_rise_is_a_factor_and_a_first_value_is_new():
    assert compare(1200, 100).text == "×12"
    assert compare(5, 0).text == "new"
    assert compare(0, 0) is None
    assert compare(None, 3) is None


def test_few_calls_make_a_low_volume():
    assert compare(2, 1, calls=29).low_volume
    assert not compare(2, 1, calls=30).low_volume
