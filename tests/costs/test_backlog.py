"""A queue that stands and one that takes a burst in, on a clock of their own."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from costs.backlog import INTERVAL_S, MOST, MOST_STANDING, TARGET_S, Flow


def pass_by(flow: Flow, *waits_s: float, since: float, until: float) -> float:
    """Have calls with these waits leave all the time; return when it is now."""
    waits = itertools.cycle(waits_s)
    for step in range(int((until - since) / 0.05)):
        flow.left(next(waits), since + step * 0.05)
    return until


def standing() -> Flow:
    flow = Flow()
    pass_by(flow, 2 * TARGET_S, since=0, until=2.5 * INTERVAL_S)
    assert flow.stands
    return flow


def test_a_burst_is_taken_in():
    flow = Flow()
    assert flow.admits(MOST - 1, 0.1)
    pass_by(flow, 0.9, since=0, until=0.9 * INTERVAL_S)
    assert flow.admits(MOST - 1, 0.1)
    assert not flow.admits(MOST, 0.1)


def test_a_queue_in_which_everybody_waits_is_kept_short():
    flow = standing()
    assert flow.admits(MOST_STANDING - 1, 0.1)
    assert not flow.admits(MOST_STANDING, 0.1)


def test_one_who_did_not_wait_shows_that_it_flows():
    flow = Flow()
    pass_by(flow, 0.9, 0.9, 0.9, 0.01, since=0, until=20)
    assert not flow.stands


def test_it_is_kept_short_while_more_comes_than_goes():
    flow, now = standing(), 2.5 * INTERVAL_S
    for _ in range(5):
        assert not flow.admits(MOST_STANDING, 0.1)
        now = pass_by(flow, 0.01, since=now, until=now + INTERVAL_S)
        assert flow.stands  # it flows because others are turned away
    pass_by(flow, 0.01, since=now, until=now + 2 * INTERVAL_S)
    assert not flow.stands


def test_a_queue_that_nobody_leaves_stands():
    flow = Flow()
    assert flow.admits(MOST_STANDING, INTERVAL_S)
    assert not flow.admits(MOST_STANDING, INTERVAL_S + 0.1)


def test_what_was_long_ago_says_nothing_of_now():
    flow = standing()
    flow.left(5, 1000)
    assert not flow.stands


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.integers(0, 1200))))
def test_it_never_turns_away_what_fits_and_never_grows_beyond_its_bound(steps):
    flow, now = Flow(), 0.0
    for pause_s, waited_s, waiting in steps:
        now += pause_s
        flow.left(waited_s, now)
        if waiting < MOST_STANDING:
            assert flow.admits(waiting, 0.1)
        if waiting >= MOST:
            assert not flow.admits(waiting, 0.1)
