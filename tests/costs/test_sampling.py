"""What a part of the facts says of all: pure, and on populations made up here."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.sampling import GROUPS, Draw, draw, estimated

_TRIALS = 200


def population(kind, rng, size=4000):
    """Return pairs of what facts cost and would have cost."""
    if kind == "another price":
        costs = [rng.lognormvariate(-6, 1.2) for _ in range(size)]
        return [(x, x * rng.uniform(0.2, 0.4)) for x in costs]
    if kind == "unrelated":
        return [(rng.expovariate(100), rng.expovariate(50)) for _ in range(size)]
    if kind == "requests with their repetitions":
        costs = [rng.lognormvariate(-6, 1) for _ in range(size)]
        return [(x * min(rng.paretovariate(1.5), 50), x) for x in costs]
    if kind == "mostly nothing":
        return [(rng.expovariate(1), rng.expovariate(1)) if rng.random() < 0.2
                else (0.0, 0.0) for _ in range(size)]  # fmt: skip
    return [(0.0, rng.expovariate(50)) for _ in range(size)]  # nothing is known


def read(pairs, drawn, rng):
    groups = {}
    for x, y in pairs:
        if rng.random() < float(drawn.share):
            at = rng.randrange(GROUPS)
            a, b = groups.get(at, (Decimal(0), Decimal(0)))
            groups[at] = (a + Decimal(x), b + Decimal(y))
    return groups


@pytest.mark.parametrize(
    "kind",
    [
        "another price",
        "unrelated",
        "requests with their repetitions",
        "mostly nothing",
        "free",
    ],
)
def test_an_interval_holds_the_truth_about_19_times_in_20(kind):
    rng = random.Random(kind)
    pairs = population(kind, rng)
    truth = sum(Decimal(y) for _, y in pairs)
    known = sum(Decimal(x) for x, _ in pairs)
    drawn = Draw(Decimal("0.3"))
    held = 0
    for _ in range(_TRIALS):
        found = estimated(drawn, read(pairs, drawn, rng), known=known)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / _TRIALS <= 0.995


def test_an_interval_narrows_as_more_is_read():
    rng = random.Random(1)
    pairs = population("unrelated", rng)
    known = sum(Decimal(x) for x, _ in pairs)
    widths = []
    for share in ("0.05", "0.3", "0.9"):
        drawn = Draw(Decimal(share))
        found = estimated(drawn, read(pairs, drawn, rng), known=known)
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2] > 0


def test_what_is_read_whole_is_exact():
    groups = {0: (Decimal(3), Decimal(5))}
    found = estimated(Draw(), groups, known=Decimal(3))
    assert (found.low, found.value, found.high) == (Decimal(5),) * 3


def test_nothing_read_is_nothing_found():
    found = estimated(Draw(Decimal("0.5")), {}, known=Decimal(3))
    assert (found.value, found.low, found.high) == (0, 0, 0)


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_a_draw_is_whole_or_within_its_most(size, most):
    drawn = draw(size, most)
    assert drawn.is_whole == (size <= most)
    assert -(2**63) <= drawn.below <= 2**63
    assert drawn.is_whole or 0 < drawn.share * size <= most


def test_a_share_of_the_hashes_is_drawn():
    below = Draw(Decimal("0.25")).below
    assert below == -(2**63) + 2**62
