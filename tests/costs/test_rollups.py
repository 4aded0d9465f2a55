"""Histograms merge, and what is read from them is near enough."""

import math

from hypothesis import given
from hypothesis import strategies as st

from costs.rollups import merge, pack, quantile

latencies = st.lists(st.floats(1.0, 600_000.0), min_size=1, max_size=200)


@given(latencies, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_two_and_a_half_percent_of_the_exact_one(values, q):
    exact = sorted(values)[math.ceil(q * len(values)) - 1]

    read = quantile(pack(values), q)

    assert abs(read - exact) <= 0.025 * exact


@given(latencies, latencies)
def test_merged_histograms_are_the_histogram_of_everything(one, other):
    assert merge([pack(one), pack(other)]) == pack(one + other)
    assert merge([pack(one) + pack(other)]) == pack(one + other)


def test_an_empty_histogram_has_no_quantile():
    assert quantile([], 0.5) is None
