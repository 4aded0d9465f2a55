"""Figures: axes that read like the numbers around them, and names that stay apart."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from devora_ops.dashboard.figures import Line, Stack, lines, stacked_bars
from devora_ops.dashboard.windows import window
from tests.dashboard.ledger import utc

CUT = window("7d", now=utc(2026, 11, 22, 16), zone=ZoneInfo("Europe/Paris"))
COUNT = len(CUT.starts)


def money_axis(largest):
    stack = Stack("a", "a", 1, [Decimal(largest)] * COUNT, [""] * COUNT)
    figure = stacked_bars([stack], CUT, totals=[""] * COUNT, money=True)
    return figure["layout"]["yaxis"]


@pytest.mark.parametrize(
    ("largest", "tickformat"),
    [
        ("0.00012", ",.5~f"),
        ("0.03", ",.3~f"),
        ("0.6", ",.2f"),
        ("3", ",.2f"),
        ("1200", ",.0f"),
        ("0", ",.0f"),
    ],
)
def test_the_axis_of_money_is_written_out(largest, tickformat):
    assert money_axis(largest)["tickformat"] == tickformat


def test_the_axis_of_money_is_french_for_the_french():
    with translation.override("fr"):
        assert money_axis("0.6")["ticksuffix"].endswith("$")


def latency(*ends, logarithmic=False):
    drawn = [
        Line(name, [None] * (COUNT - 1) + [end])
        for name, end in zip(("p50", "p95", "p99"), ends, strict=True)
    ]
    return lines(drawn, CUT, notes=[""] * COUNT, logarithmic=logarithmic)["layout"]


def test_latency_is_in_seconds_from_the_first_one_on():
    assert latency(100, 500, 990)["yaxis"]["ticksuffix"].endswith("ms")
    assert not latency(100, 500, 1100)["yaxis"]["ticksuffix"].endswith("ms")


@pytest.mark.parametrize(
    ("ends", "logarithmic"),
    [
        ((500, 520, 525), False),
        ((100, 5000, 5100), False),
        ((100, 5000, 5100), True),
        ((100, 100, 100), True),
    ],
)
def test_the_names_of_lines_do_not_lie_on_each_other(ends, logarithmic):
    names = latency(*ends, logarithmic=logarithmic)["annotations"]
    shifts = [one["yshift"] for one in names]
    assert shifts[0] == 0
    assert shifts[2] > 0


def test_names_far_apart_stay_at_their_lines():
    shifts = [one["yshift"] for one in latency(1000, 4000, 8000)["annotations"]]
    assert shifts == [0, 0, 0]
