"""Only what certainly did nothing is sent again, and not for ever."""

import httpx
import pytest

from devora_ops.client import (
    ConnectionFailed,
    DevoraError,
    RateLimited,
    Retry,
    ServerError,
    Unavailable,
)
from tests.client.gateway import Gateway, completion, refusal


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        refusal(503),
        refusal(503, Retry_After="0"),
        refusal(429, Retry_After="0"),
    ],
)
def test_what_did_nothing_is_tried_again(ask, failure):
    gateway = Gateway(failure, failure, completion())
    assert ask(gateway, "chat", "Hi", model="smart").text == "Hello."
    assert len(gateway.requests) == 3
    assert len({request.content for request in gateway.requests}) == 1


def test_a_stream_is_tried_again_before_its_first_byte(ask):
    gateway = Gateway(refusal(503), refusal(400))
    with pytest.raises(DevoraError):
        ask(gateway, "stream_chat", "Hi", model="smart")
    assert len(gateway.requests) == 2


@pytest.mark.parametrize(
    "failure",
    [
        *(refusal(status) for status in (400, 401, 402, 403, 404, 409, 413, 422)),
        *(refusal(status) for status in (500, 502, 504, 529)),
        refusal(429),
        refusal(429, Retry_After="soon"),
        refusal(429, Retry_After="31"),
        refusal(503, Retry_After="31"),
        refusal(503, x_should_retry="false"),
        refusal(429, Retry_After="0", x_should_retry="false"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("gone"),
    ],
)
def test_what_may_have_cost_something_or_cannot_help_is_sent_once(ask, failure):
    gateway = Gateway(failure)
    with pytest.raises(DevoraError):
        ask(gateway, "chat", "Hi", model="smart")
    assert len(gateway.requests) == 1


def test_it_gives_up_with_the_last_failure(ask):
    gateway = Gateway(httpx.ConnectError("refused"), refusal(503, "starting"))
    with pytest.raises(Unavailable) as caught:
        ask(gateway, "chat", "Hi", model="smart")
    assert caught.value.code == "starting"
    assert len(gateway.requests) == 3


def test_a_limit_of_zero_never_tries_again():
    gateway = Gateway(refusal(503))
    with gateway.client(retry=Retry(limit=0)) as client, pytest.raises(Unavailable):
        client.models()
    assert len(gateway.requests) == 1


def test_the_wait_is_never_shorter_than_told_and_spread_above_it():
    error = RateLimited("Wait.")
    error.retry_after = 2.0
    waits = [Retry().wait_s(error, retries=0) for _ in range(1000)]
    assert all(wait is not None and 2.0 <= wait <= 2.5 for wait in waits)
    assert len(set(waits)) > 900


def test_an_untold_wait_grows_at_random_up_to_its_bound():
    retry = Retry(limit=10, base_s=0.5, max_wait_s=3.0)
    for retries, most in enumerate([0.5, 1.0, 2.0, 3.0, 3.0]):
        waits = [retry.wait_s(Unavailable("x"), retries=retries) for _ in range(500)]
        assert all(wait is not None and 0 <= wait <= most for wait in waits)
        assert max(wait or 0 for wait in waits) > most * 0.8


def test_a_request_that_may_have_arrived_is_not_repeatable():
    lost = ConnectionFailed("lost")
    never_left = ConnectionFailed("refused")
    never_left.request_sent = False
    assert Retry().wait_s(lost, retries=0) is None
    assert Retry().wait_s(never_left, retries=0) is not None
    assert Retry().wait_s(ServerError("x"), retries=0) is None
