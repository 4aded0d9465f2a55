"""How often and how late a failing provider is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.retries import RetryBudget, back_off_s


@given(st.floats(31, 2000), st.integers(100, 5000))
def test_retries_of_a_busy_provider_are_a_tenth_of_its_requests(per_second, requests):
    budget, retries = RetryBudget(), 0
    for number in range(requests):
        budget.deposit(number / per_second)
        retries += sum(budget.take() for _ in range(2))
    assert retries <= 0.1 * requests + 10


def test_a_quiet_provider_may_be_asked_again_three_times_a_second():
    budget = RetryBudget()
    for second in range(60):
        budget.deposit(float(second))
        assert budget.take()
        assert budget.take()


@given(st.integers(1, 5), st.floats(0, 30))
def test_nobody_comes_back_earlier_than_told(retry, told):
    waits = [back_off_s(retry, told_s=told) or 0.0 for _ in range(50)]
    assert min(waits) >= told
    assert max(waits) <= told * 1.4


def test_back_off_doubles_and_is_spread_over_its_whole_length():
    for retry, longest in ((1, 0.5), (2, 1.0), (3, 2.0)):
        waits = [back_off_s(retry) or 0.0 for _ in range(300)]
        assert 0 <= min(waits) < 0.2 * longest
        assert 0.8 * longest < max(waits) <= longest


@given(st.integers(1, 5), st.floats(30.01, 4000))
def test_nobody_waits_for_longer_than_half_a_minute(retry, told):
    assert back_off_s(retry, told_s=told) is None
