"""The circuit breaker, driven by a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.breaker import COOL_DOWN_S, FAILURES_IN_A_ROW, Breaker, Permit


def fail(breaker: Breaker, now: float) -> bool:
    permit = breaker.ask(now)
    assert permit is not None
    return breaker.failed(permit, now)


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, at)
    assert breaker.state == "open"
    return breaker


def test_the_fifth_failure_in_a_row_opens_it():
    breaker = Breaker()
    assert [fail(breaker, n) for n in range(5)] == [False] * 4 + [True]
    assert breaker.ask(5) is None


def test_a_success_in_between_begins_the_count_anew():
    breaker = Breaker()
    for now in range(40):
        permit = breaker.ask(now)
        if now % 5 == 4:
            breaker.succeeded(permit, now)
            continue
        # Four of five fail, but ten seconds hold ten calls.
        if breaker.failed(permit, now):
            assert now >= 9
            return
    raise AssertionError("it never opened")


def test_a_third_of_failures_does_not_open_it():
    breaker = Breaker()
    for now in range(300):
        permit = breaker.ask(now / 10)
        if now % 3 == 0:
            assert not breaker.failed(permit, now / 10)
        else:
            breaker.succeeded(permit, now / 10)


def test_one_probe_at_a_time_passes_after_the_cool_down():
    breaker = opened()
    assert breaker.ask(COOL_DOWN_S - 0.01) is None
    assert breaker.would_allow(COOL_DOWN_S)
    probe = breaker.ask(COOL_DOWN_S)
    assert probe == Permit(probe=True)
    assert breaker.ask(COOL_DOWN_S + 1) is None
    assert breaker.succeeded(probe, COOL_DOWN_S + 2)
    assert breaker.ask(COOL_DOWN_S + 2) == Permit()


def test_a_failed_probe_opens_it_for_as_long_again():
    breaker = opened()
    probe = breaker.ask(COOL_DOWN_S)
    assert breaker.failed(probe, 6)
    assert breaker.ask(6 + COOL_DOWN_S - 0.01) is None
    assert breaker.ask(6 + COOL_DOWN_S) is not None


def test_a_probe_that_is_called_off_lets_the_next_one_try():
    breaker = opened()
    probe = breaker.ask(COOL_DOWN_S)
    breaker.abandoned(probe)
    assert breaker.ask(COOL_DOWN_S) == Permit(probe=True)


def test_a_late_success_of_an_older_call_does_not_close_it():
    breaker = Breaker()
    older = breaker.ask(0)
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, 0)
    assert not breaker.succeeded(older, 1)
    assert not breaker.failed(older, 1)
    assert breaker.state == "open"


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from("sfa")), max_size=200))
def test_an_open_breaker_lets_at_most_one_call_pass_every_cool_down(steps):
    breaker, now, passed = Breaker(), 0.0, []
    for pause, outcome in steps:
        now += pause
        was = breaker.state
        permit = breaker.ask(now)
        assert (permit is not None) or was != "closed"
        if permit is None:
            continue
        if permit.probe:
            passed.append(now)
        if outcome == "s":
            breaker.succeeded(permit, now)
        elif outcome == "f":
            breaker.failed(permit, now)
        else:
            breaker.abandoned(permit)
        if permit.probe and outcome == "f":
            assert breaker.ask(now + COOL_DOWN_S - 0.001) is None


def test_a_probe_that_takes_its_time_lets_others_try():
    breaker = opened()
    long = breaker.ask(COOL_DOWN_S)
    second = breaker.ask(2 * COOL_DOWN_S)
    assert second == Permit(probe=True)
    assert breaker.ask(2 * COOL_DOWN_S) is None
    assert breaker.succeeded(second, 2 * COOL_DOWN_S + 1)
    assert not breaker.failed(long, 2 * COOL_DOWN_S + 2)
    assert breaker.ask(2 * COOL_DOWN_S + 2) == Permit()
