"""What a provider's failure means: for the bill, for the next target, for the agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from devora_ops.common.errors import DevoraError, UpstreamError
from llm.gateway.upstream import AddressForbiddenError

_MOST_RETRY_AFTER_S = 86_400
_MOST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Refusal:
    """error: what the agent gets if nobody else serves it.

    sent: bytes may have reached the provider, so it may bill; billed: the provider did
    not say that it failed before working, so its bill is unknown. fallback: another
    target may be asked.
    """

    error: DevoraError
    fallback: bool
    billed: bool = False
    http_status: int | None = None


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an answer whose status is not 200."""
    told = _error_of(body)
    if status in (400, 413, 422):
        return Refusal(_callers_fault(status, told), fallback=False, http_status=status)
    if status == 429 and told.get("code") not in _NO_CREDIT:
        return Refusal(_saturated(headers), fallback=True, http_status=status)
    code, ours, billed = _BY_STATUS.get(status, ("provider_error", 502, False))
    if status == 429:
        code, ours, billed = _BY_STATUS[402]
    # Whether a bad gateway's origin ran is not known: asking again could pay twice.
    error = UpstreamError(
        f"The provider answered with status {status}.",
        code=code,
        status=ours,
        headers=_retry_after(headers) if ours == 503 else None,
    )
    return Refusal(error, fallback=not billed, billed=billed, http_status=status)


_NO_CREDIT = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "enforced_spend_limit_reached"}
)
# status: our code, our status, whether the provider may bill all the same
_BY_STATUS: Mapping[int, tuple[str, int, bool]] = {
    401: ("provider_auth_failed", 502, False),
    402: ("provider_credit_exhausted", 502, False),
    403: ("provider_forbidden", 502, False),
    404: ("provider_model_missing", 502, False),
    502: ("provider_bad_gateway", 502, True),
    503: ("provider_overloaded", 503, False),
    504: ("provider_timeout", 504, True),
    529: ("provider_overloaded", 503, False),
}


def from_exception(error: Exception) -> Refusal:
    """Read what the HTTP client raised."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _unsent("provider_tls", "The provider's certificate is not valid.")
    if isinstance(
        error,
        aiohttp.ClientConnectorError
        | aiohttp.ConnectionTimeoutError
        | AddressForbiddenError,
    ):
        # One sentence for every cause, or we would be a port scanner.
        return _unsent("provider_unreachable", "The provider cannot be reached.")
    if isinstance(error, TimeoutError):
        return Refusal(
            UpstreamError(
                "The provider did not answer in time; what it bills is not known.",
                code="billing_unknown",
                status=504,
            ),
            fallback=False,
            billed=True,
        )
    return Refusal(
        UpstreamError(
            "The connection to the provider broke; what it bills is not known.",
            code="billing_unknown",
        ),
        fallback=False,
        billed=True,
    )


def bad_response(what: str) -> Refusal:
    """Return the refusal of an answer that cannot be read: it may well be billed."""
    return Refusal(
        UpstreamError(f"The provider's answer {what}.", code="provider_bad_response"),
        fallback=False,
        billed=True,
        http_status=200,
    )


def _unsent(code: str, message: str) -> Refusal:
    return Refusal(UpstreamError(message, code=code), fallback=True)


def _callers_fault(status: int, told: Mapping[str, Any]) -> DevoraError:
    message = str(told.get("message") or "The provider refused the request.")
    param = told.get("param")
    return DevoraError(
        message[:_MOST_MESSAGE],
        status=status,
        code=str(told.get("code") or told.get("type") or "invalid_request")[:100],
        param=param if isinstance(param, str) else None,
    )


def _saturated(headers: Mapping[str, str]) -> DevoraError:
    return DevoraError(
        "The provider's rate limit is reached.",
        status=429,
        code="provider_rate_limited",
        headers=_retry_after(headers),
    )


def _retry_after(headers: Mapping[str, str]) -> Mapping[str, str]:
    told = headers.get("Retry-After", "")
    if told.isdigit() and int(told) <= _MOST_RETRY_AFTER_S:
        return {"Retry-After": told}
    return {"Retry-After": "1"}


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
