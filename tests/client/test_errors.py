"""Every refusal and every failure has its class, and tells what it knows."""

import pickle
from datetime import UTC, datetime

import httpx
import pytest

import devora_ops.client as client
from devora_ops.client import (
    BudgetExceeded,
    ConnectionFailed,
    DevoraError,
    InvalidResponse,
    RateLimited,
    StatusError,
    Timeout,
)
from devora_ops.client import _errors as errors
from devora_ops.client._failures import retry_after_s
from tests.client.gateway import KEY, Gateway, completion, refusal

STATUSES = {
    400: "BadRequest",
    401: "AuthenticationError",
    402: "BudgetExceeded",
    403: "PermissionDenied",
    404: "NotFound",
    405: "BadRequest",
    409: "Conflict",
    413: "PayloadTooLarge",
    418: "BadRequest",
    422: "UnprocessableEntity",
    429: "RateLimited",
    500: "ServerError",
    502: "ServerError",
    503: "Unavailable",
    504: "ServerError",
}


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
def test_each_status_has_its_class(ask, status, name):
    gateway = Gateway(refusal(status, "a_code", "A reason."))
    with pytest.raises(StatusError) as caught:
        ask(gateway, "chat", "Hi", model="smart")
    error = caught.value
    assert type(error) is getattr(client, name)
    assert (error.status, error.code, error.message) == (status, "a_code", "A reason.")
    assert error.request_id == "request-9"
    assert error.body["error"]["code"] == "a_code"
    assert str(error) == "A reason. (a_code, request request-9)"


def test_the_list_of_errors_of_the_rest_api_is_one_sentence(ask):
    body = {
        "type": "validation_error",
        "errors": [
            {"code": "required", "detail": "Name is missing.", "attr": "variables"},
            {"code": "invalid", "detail": "Too much.", "attr": None},
        ],
    }
    with pytest.raises(StatusError) as caught:
        ask(Gateway(httpx.Response(422, json=body)), "render", "support")
    assert caught.value.message == "variables: Name is missing.; Too much."
    assert (caught.value.code, caught.value.body) == ("required", body)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Bad gateway</html>",
        b"",
        b"\xff",
        b"null",
        b"[1]",
        b'{"error": "text"}',
        b'{"errors": "text"}',
        b'{"errors": 7}',
        b'{"error": {"message": null}}',
        b"[" * 100_000,
    ],
)
def test_a_body_of_any_other_shape_still_makes_the_right_error(ask, content):
    gateway = Gateway(httpx.Response(502, content=content))
    with pytest.raises(StatusError, match=r"^The gateway answered 502\.$") as caught:
        ask(gateway, "chat", "Hi", model="smart")
    assert caught.value.status == 502


def test_a_redirect_is_not_followed_with_the_key(ask):
    target = {"Location": "https://elsewhere.test/"}
    gateway = Gateway(httpx.Response(308, headers=target))
    with pytest.raises(InvalidResponse, match="elsewhere"):
        ask(gateway, "models")
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    ("cause", "kind", "sent"),
    [
        (httpx.ConnectError("refused"), ConnectionFailed, False),
        (httpx.ConnectTimeout(""), Timeout, False),
        (httpx.PoolTimeout("pool"), Timeout, False),
        (httpx.ReadTimeout("slow"), Timeout, True),
        (httpx.WriteError("broken"), ConnectionFailed, True),
        (httpx.RemoteProtocolError("gone"), ConnectionFailed, True),
        (httpx.DecodingError("gzip"), InvalidResponse, None),
    ],
)
def test_no_answer_says_whether_the_request_may_have_arrived(ask, cause, kind, sent):
    with pytest.raises(DevoraError, match="gateway.test") as caught:
        ask(Gateway(cause), "chat", "Hi", model="smart")
    assert type(caught.value) is kind
    assert getattr(caught.value, "request_sent", None) is sent
    assert type(caught.value.__cause__) is type(cause)
    assert KEY not in repr(caught.value) + str(caught.value)


def test_a_refused_budget_survives_the_way_back_from_a_process_pool(ask):
    gateway = Gateway(refusal(402, "budget_exceeded", "No room."))
    with pytest.raises(BudgetExceeded) as caught:
        ask(gateway, "chat", "Hi", model="smart")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.status) == (str(caught.value), 402)


def test_a_rate_limit_says_when_there_is_room_again(ask):
    gateway = Gateway(refusal(429, Retry_After="3600"))
    with pytest.raises(RateLimited) as caught:
        ask(gateway, "chat", "Hi", model="smart")
    assert caught.value.retry_after == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2026 07:28:10", 10.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("Wed, 99 Oct 99999 07:28:10 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header, seconds):
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert retry_after_s(header, now=now) == seconds


def test_the_family_is_the_one_that_its_module_draws():
    drawn = errors.__doc__ or ""
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, DevoraError):
            assert name in drawn
            assert name in client.__all__


def test_a_success_is_no_error(ask):
    assert ask(Gateway(completion()), "chat", "Hi", model="smart").text == "Hello."
