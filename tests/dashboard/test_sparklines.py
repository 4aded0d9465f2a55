"""Small lines: their gaps and their ends."""

from devora_ops.dashboard.sparklines import sparkline


def test_nothing_and_only_zeros_draw_nothing():
    assert sparkline([]) is None
    assert sparkline([None, None]) is None
    assert sparkline([0, 0]) is None


def test_a_line_goes_from_left_to_right():
    drawn = sparkline([1, 2, 4])
    assert drawn.line == "M0.0 20.0L50.0 14.0L100.0 2.0"
    assert drawn.area.endswith("L100.0 28.0L0.0 28.0Z")


def test_a_gap_is_a_gap_and_a_lone_value_a_dash():
    drawn = sparkline([1, None, 3, 3])
    assert drawn.line.count("M") == 2
    assert drawn.line.startswith("M0.0 18.0L0.5 18.0M")
