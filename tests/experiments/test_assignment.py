"""Units stay with their variant, and variants get their shares."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment import assign, unit_hash


@dataclass(frozen=True)
class Arm:
    name: str
    weight: int


weights = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any)
units = st.text(max_size=30)


def _arms(numbers):
    return [Arm(str(i), weight) for i, weight in enumerate(numbers)]


@given(weights, units, units)
def test_a_unit_always_sees_the_same_variant(numbers, salt, unit):
    first = assign(_arms(numbers), salt=salt, unit=unit)
    assert assign(_arms(numbers), salt=salt, unit=unit) == first


@given(weights, units, units)
def test_a_variant_without_weight_is_never_seen(numbers, salt, unit):
    assert assign(_arms(numbers), salt=salt, unit=unit).weight > 0


@given(weights, st.integers(0, 6), units, units)
def test_adding_a_variant_of_weight_zero_moves_nobody(numbers, at, salt, unit):
    before = _arms(numbers)
    after = [*before[:at], Arm("new", 0), *before[at:]]
    assert assign(after, salt=salt, unit=unit) == assign(before, salt=salt, unit=unit)


@given(weights, st.integers(1, 50), units)
def test_only_proportions_count(numbers, factor, unit):
    scaled = [weight * factor for weight in numbers]
    chosen = assign(_arms(numbers), salt="s", unit=unit)
    assert assign(_arms(scaled), salt="s", unit=unit).name == chosen.name


@pytest.mark.parametrize("numbers", [[1, 1], [90, 10], [1, 2, 3], [5, 0, 5]])
def test_shares_follow_the_weights(numbers):
    arms, total = _arms(numbers), 20_000
    seen = Counter(assign(arms, salt="share", unit=str(i)).name for i in range(total))
    for arm in arms:
        share = arm.weight / sum(numbers)
        # Five standard deviations of a binomial count.
        tolerance = 5 * (share * (1 - share) / total) ** 0.5
        assert seen[arm.name] / total == pytest.approx(share, abs=tolerance + 1e-9)


def test_two_experiments_divide_the_same_units_independently():
    arms, total = _arms([1, 1]), 20_000
    both = Counter(
        (
            assign(arms, salt="one", unit=str(i)).name,
            assign(arms, salt="two", unit=str(i)).name,
        )
        for i in range(total)
    )
    assert all(4_500 < count < 5_500 for count in both.values())
    assert len(both) == 4


def test_raising_a_last_variants_weight_moves_units_to_it_only():
    before, after = _arms([50, 50]), _arms([50, 50])
    after[1] = Arm("1", 150)
    for i in range(2_000):
        old = assign(before, salt="s", unit=str(i)).name
        new = assign(after, salt="s", unit=str(i)).name
        assert new == old or new == "1"


@pytest.mark.parametrize("numbers", [[], [0], [0, 0]])
def test_no_weight_is_an_error(numbers):
    with pytest.raises(ValueError, match="weight"):
        assign(_arms(numbers), salt="s", unit="u")


def test_the_border_between_salt_and_unit_counts():
    assert unit_hash(salt="a", unit="bc") != unit_hash(salt="ab", unit="c")


def test_the_hash_is_the_same_for_ever():
    # Restarting with another hash would move the units of running experiments.
    assert unit_hash(salt="checkout", unit="user-1") == 8653604569730884475
