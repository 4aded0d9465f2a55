"""Faults done to installations of their own, and judged by the simulator's file."""

import pytest

pytest.register_assert_rewrite("tests.chaos.judge")
