"""What a part of the facts says of all: pure, and on populations made up here."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.sampling import (
    GROUPS,
    PARTS,
    Draw,
    added,
    draw,
    draw_units,
    estimated,
    rooms,
)

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


def parted(units):
    """Return the rows of each part; units: (hash of 64 bits, rows, …)."""
    sizes = {}
    for hashed, rows, *_ in units:
        part = hashed >> 52
        sizes[part] = sizes.get(part, 0) + rows
    return sizes


def read_units(units, drawn):
    """Return how many rows are read, and the groups' sums."""
    rows, groups = 0, {}
    for hashed, size, x, y in units:
        if hashed - 2**63 < drawn.below:
            rows += size
            a, b = groups.get(hashed % GROUPS, (Decimal(0), Decimal(0)))
            groups[hashed % GROUPS] = (a + x, b + y)
    return rows, groups


def requests(kind, rng):
    """Return requests as (calls, cost, cost with a cache)."""
    sizes = {
        "a hundred middling": lambda: [400] * 100,
        "many rare": lambda: [rng.choice((1, 1, 1, 2, 5)) for _ in range(4_000)],
        # Of more than a hundredth of what is read none is drawn by itself.
        "of all sizes": lambda: [
            min(int(rng.paretovariate(1.1)), 40) for _ in range(4_000)
        ],
        "blocks of a giant": lambda: [rng.randint(150, 250) for _ in range(300)],
    }[kind]()
    made = []
    for size in sizes:
        price = Decimal(round(rng.lognormvariate(-6, 0.5), 9))
        misses = rng.randint(1, 1 + size // 3)
        made.append((size, price * size, price * misses))
    return made


KINDS = ("a hundred middling", "many rare", "of all sizes", "blocks of a giant")


@pytest.mark.parametrize("kind", KINDS)
def test_units_of_many_rows_keep_within_their_room_and_hold_the_truth(kind):
    rng = random.Random(kind)
    made, held = requests(kind, rng), 0
    most = sum(size for size, _, _ in made) // 4
    known = sum(x for _, x, _ in made)
    truth = sum(y for _, _, y in made)
    for _ in range(_TRIALS):
        units = [(rng.getrandbits(64), *request) for request in made]
        drawn = draw_units(parted(units), most)
        rows, groups = read_units(units, drawn)
        assert rows <= most
        found = estimated(drawn, groups, known=known)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / _TRIALS <= 0.995


def test_what_is_drawn_apart_holds_the_truth_together():
    rng = random.Random(5)
    strata = [requests(kind, rng) for kind in ("blocks of a giant", "many rare")]
    counts = [sum(size for size, _, _ in each) for each in strata]
    truth = sum(y for each in strata for _, _, y in each)
    room, held = rooms(15_000, *counts), 0
    for _ in range(_TRIALS):
        found = []
        for each, most in zip(strata, room, strict=True):
            units = [(rng.getrandbits(64), *request) for request in each]
            drawn = draw_units(parted(units), most)
            known = sum(x for _, x, _ in each)
            groups = read_units(units, drawn)[1]
            found.append(estimated(drawn, groups, known=known))
        both = added(*found)
        assert both.low < both.value < both.high
        assert both.high < sum(each.high for each in found)
        held += both.low <= truth <= both.high
    assert 0.90 <= held / _TRIALS <= 0.995


@given(
    st.dictionaries(st.integers(0, PARTS - 1), st.integers(1, 10**6)),
    st.integers(0, 10**7),
)
def test_units_never_take_more_than_their_room(sizes, most):
    drawn = draw_units(sizes, most)
    parts = drawn.share * PARTS
    assert parts == int(parts)
    assert drawn.is_whole == (sum(sizes.values()) <= most)
    assert sum(size for part, size in sizes.items() if part < parts) <= most


def test_small_units_fill_their_room():
    drawn = draw_units(dict.fromkeys(range(PARTS), 100), 200_000)
    assert 0.95 < drawn.share * 100 * PARTS / 200_000 <= 1


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 10**6))
def test_two_strata_share_the_room(one, other, most):
    mine, others = rooms(most, one, other)
    assert min(mine, one) + min(others, other) <= most
    assert min(one, most // 2) <= mine
    assert min(other, most // 2) <= others
