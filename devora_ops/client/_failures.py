"""From a refusal, or from no answer at all, to the error that says so."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from devora_ops.client._errors import (
    AuthenticationError,
    BadRequest,
    BudgetExceeded,
    Conflict,
    ConnectionFailed,
    DevoraError,
    InvalidResponse,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    ServerError,
    StatusError,
    Timeout,
    Unavailable,
    UnprocessableEntity,
)

_BY_STATUS: Mapping[int, type[StatusError]] = {
    401: AuthenticationError,
    402: BudgetExceeded,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: PayloadTooLarge,
    422: UnprocessableEntity,
    429: RateLimited,
    503: Unavailable,
}
#: Raised before the first byte of the request is on its way.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: A body that is no JSON is kept for the reader up to here (characters).
_BODY_SHOWN = 2000


def response_error(response: httpx.Response) -> DevoraError:
    """Give the error for a response that is not a success. Its body must be read."""
    if response.status_code < 400:
        return _redirect_error(response)
    body = _body(response)
    code, message = _code_and_message(body)
    error = _class_for(response.status_code)(
        message or f"The gateway answered {response.status_code}.",
        code=code,
        request_id=response.headers.get("x-request-id"),
        body=body,
    )
    error.status = response.status_code
    error.retry_after = retry_after_s(response.headers.get("retry-after"))
    error.should_retry = response.headers.get("x-should-retry") != "false"
    return error


def request_error(error: httpx.RequestError, *, base_url: str) -> DevoraError:
    """Give our error for one of httpx's; it becomes the cause."""
    failure = _request_failure(error, base_url)
    failure.__cause__ = error
    return failure


def _request_failure(error: httpx.RequestError, base_url: str) -> DevoraError:
    if isinstance(error, httpx.DecodingError):
        return InvalidResponse(f"The answer from {base_url} cannot be decompressed.")
    reason = str(error) or type(error).__name__
    failure: ConnectionFailed
    if isinstance(error, httpx.TimeoutException):
        failure = Timeout(f"No answer from {base_url} in time: {reason}")
    else:
        failure = ConnectionFailed(f"No answer from {base_url}: {reason}")
    failure.request_sent = not isinstance(error, _NOT_SENT)
    return failure


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date. Garbage is None."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, now or datetime.now(UTC))
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        # An HTTP date is GMT by definition, also when it forgets to say so.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _class_for(status: int) -> type[StatusError]:
    return _BY_STATUS.get(status, ServerError if status >= 500 else BadRequest)


def _redirect_error(response: httpx.Response) -> InvalidResponse:
    target = response.headers.get("location", "elsewhere")
    return InvalidResponse(
        f"The gateway answered {response.status_code} and points to {target}. "
        "Redirects are not followed, so that the key stays where it was sent: "
        "set DEVORA_URL to the final address.",
        request_id=response.headers.get("x-request-id"),
    )


def _body(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.text[:_BODY_SHOWN]


def _code_and_message(body: Any) -> tuple[str | None, str | None]:
    """Read either error shape: OpenAI's on /v1, the list of errors on /api/v1."""
    if not isinstance(body, Mapping):
        return None, None
    if isinstance(body.get("error"), Mapping):
        return error_fields(body["error"])
    errors = body.get("errors")
    listed = errors if isinstance(errors, list) else []
    known = [item for item in listed if isinstance(item, Mapping)]
    if not known:
        return None, None
    sentences = (_sentence(item) for item in known)
    return _text(known[0].get("code")), "; ".join(sentences)


def error_fields(error: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Give code and message of an OpenAI-shaped error object."""
    return _text(error.get("code") or error.get("type")), _text(error.get("message"))


def _sentence(item: Mapping[str, Any]) -> str:
    detail = _text(item.get("detail")) or "refused"
    return f"{item['attr']}: {detail}" if item.get("attr") else detail


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
