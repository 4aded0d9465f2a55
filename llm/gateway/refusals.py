"""What a provider's failure means: for the bill, the next try, its health, the agent.

One table for JSON and streams alike; a row a kind of failure.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from devora_ops.common.errors import DevoraError, UpstreamError
from llm.gateway.connection import AnswerTooLarge
from llm.gateway.upstream import AddressForbidden, CertificateInvalid, NotReached
from llm.policy import RoutePolicy

_MOST_RETRY_AFTER_S = 86_400
_MOST_MESSAGE = 2000

# Clients retry on their own: what may be billed, or cannot be helped, is not theirs to try.
_ONCE: Mapping[str, str] = {"x-should-retry": "false"}

# Whether the same provider is asked again: not at all, at once, after a pause.
Retry = Literal["no", "now", "later"]
# What the failure says of the target: nothing, that it is broken, that it has enough
# to do, that our credential for it is of no use.
Health = Literal["ignored", "failed", "saturated", "paused"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """error: what the agent gets if nobody else serves it.

    fallback: another target may be asked. sent: bytes may have reached the provider.
    billed: it did not say that it failed before working, so its bill is unknown.
    may_repeat: only that unknown bill speaks against asking again. too_long: the request
    is, for this model. retry_after_s: how long it wants to be left alone. usage: what it
    says it worked all the same, and answer: where it says so.
    """

    error: DevoraError
    retry: Retry = "no"
    fallback: bool = False
    health: Health = "ignored"
    sent: bool = True
    billed: bool = False
    may_repeat: bool = False
    too_long: bool = False
    http_status: int | None = None
    retry_after_s: float | None = None
    usage: Any = None
    answer: bytes = b""

    def under(self, policy: RoutePolicy) -> "Refusal":
        """Return it as it is where calls may be paid for twice, or go to larger models."""
        if policy.allow_duplicates and self.may_repeat:
            return replace(self, retry="later", fallback=True)
        if policy.larger_when_too_long and self.too_long:
            return replace(self, fallback=True)
        return self


@dataclass(frozen=True, slots=True)
class _Row:
    """How a status is treated. code, status: what the agent gets."""

    code: str
    status: int
    retry: Retry = "no"
    fallback: bool = True
    health: Health = "failed"
    billed: bool = False


_BY_STATUS: Mapping[int, _Row] = {
    401: _Row("provider_auth_failed", 502, health="paused"),
    402: _Row("provider_credit_exhausted", 502, health="paused"),
    403: _Row("provider_auth_failed", 502, health="paused"),
    404: _Row("provider_model_missing", 502, health="ignored"),
    408: _Row("provider_error", 502, "later"),
    409: _Row("provider_error", 502, "later"),
    500: _Row("provider_error", 502, "later"),
    # Whether a bad gateway's origin ran is not known: asking again could pay twice.
    502: _Row("provider_bad_gateway", 502, fallback=False, billed=True),
    503: _Row("provider_overloaded", 503, "later"),
    504: _Row("provider_timeout", 504, fallback=False, billed=True),
    524: _Row("provider_timeout", 504, fallback=False, billed=True),
    529: _Row("provider_overloaded", 503, "later"),
}
_OTHER = _Row("provider_error", 502)
_CALLERS_FAULT = (400, 413, 422)
# Those who have no code for it: Anthropic, vLLM, OpenRouter.
_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|context (window|length)", re.IGNORECASE
)
_NO_CREDIT = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "enforced_spend_limit_reached"}
)


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an answer whose status is not 200."""
    answer = _object(body)
    refusal = _from_status(status, headers, _object(answer.get("error")))
    if usage := answer.get("usage"):
        return replace(refusal, usage=usage, answer=body)
    return refusal


def _from_status(
    status: int, headers: Mapping[str, str], told: Mapping[str, Any]
) -> Refusal:
    if status in _CALLERS_FAULT:
        error = _callers_fault(status, told)
        return Refusal(error, too_long=_is_too_long(error), http_status=status)
    wait_s = _retry_after_s(headers)
    if status == 429 and str(told.get("code")) not in _NO_CREDIT:
        return _saturated(wait_s)
    row = _BY_STATUS[402] if status == 429 else _BY_STATUS.get(status, _OTHER)
    error = UpstreamError(
        f"The provider answered with status {status}.",
        code=row.code,
        status=row.status,
        headers=_told(wait_s) if row.status == 503 else None,
    )
    if row.billed or row.health == "paused":
        error.headers |= _ONCE
    return Refusal(
        error,
        retry=row.retry,
        fallback=row.fallback,
        health=row.health,
        billed=row.billed,
        may_repeat=row.billed,
        http_status=status,
        retry_after_s=wait_s,
    )


def from_exception(error: OSError) -> Refusal:
    """Read what the HTTP client raised."""
    if isinstance(error, CertificateInvalid):
        # It will be no more valid in a moment.
        unsent = _unsent("provider_tls", "The provider's certificate is not valid.")
        return replace(unsent, retry="no")
    if isinstance(error, NotReached | AddressForbidden):
        # One sentence for every cause, or we would be a port scanner.
        return _unsent("provider_unreachable", "The provider cannot be reached.")
    if isinstance(error, AnswerTooLarge):
        return bad_response("is too large")
    if isinstance(error, TimeoutError):
        return _unknown(
            "The provider did not answer in time; what it bills is not known.", 504
        )
    return _unknown(
        "The connection to the provider broke; what it bills is not known.", 502
    )


def bad_response(what: str) -> Refusal:
    """Return the refusal of an answer that cannot be read: it may well be billed."""
    return Refusal(
        UpstreamError(
            f"The provider's answer {what}.",
            code="provider_bad_response",
            headers=_ONCE,
        ),
        health="failed",
        billed=True,
        http_status=200,
    )


def error_in_answer(usage: Any = None, answer: bytes = b"") -> Refusal:
    """Return the refusal of an answer that reports an error in spite of its status."""
    return Refusal(
        UpstreamError(
            "The provider's answer reported an error.", code="provider_error"
        ),
        retry="later",
        fallback=True,
        health="failed",
        http_status=200,
        usage=usage,
        answer=answer,
    )


def unavailable(wait_s: float) -> Refusal:
    """Return the refusal of a target that is left alone: nothing was sent to it."""
    error = UpstreamError(
        "The provider is left alone for a moment: it keeps failing, or an operator wants "
        "it so.",
        code="provider_unavailable",
        status=503,
        headers=_told(wait_s),
    )
    return Refusal(error, fallback=True, sent=False)


def busy() -> Refusal:
    """Return the refusal of a provider that has as many calls as it may have."""
    error = UpstreamError(
        "Too many calls to the provider are under way.",
        code="provider_busy",
        status=503,
        headers=_told(1),
    )
    return Refusal(error, fallback=True, sent=False)


def _unsent(code: str, message: str) -> Refusal:
    return Refusal(
        UpstreamError(message, code=code),
        retry="now",
        fallback=True,
        health="failed",
        sent=False,
    )


def _unknown(message: str, status: int) -> Refusal:
    error = UpstreamError(message, code="billing_unknown", status=status, headers=_ONCE)
    return Refusal(error, health="failed", billed=True, may_repeat=True)


def _callers_fault(status: int, told: Mapping[str, Any]) -> DevoraError:
    message = str(told.get("message") or "The provider refused the request.")
    param = told.get("param")
    return DevoraError(
        message[:_MOST_MESSAGE],
        status=status,
        code=str(told.get("code") or told.get("type") or "invalid_request")[:100],
        param=param if isinstance(param, str) else None,
    )


def _is_too_long(error: DevoraError) -> bool:
    return error.code == "context_length_exceeded" or bool(_TOO_LONG.search(str(error)))


def _saturated(wait_s: float | None) -> Refusal:
    error = DevoraError(
        "The provider's rate limit is reached.",
        status=429,
        code="provider_rate_limited",
        headers=_told(wait_s),
    )
    return Refusal(
        error,
        retry="later",
        fallback=True,
        health="saturated",
        http_status=429,
        retry_after_s=wait_s,
    )


def _told(wait_s: float | None) -> Mapping[str, str]:
    """Hand a wait on in whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(wait_s or 1)))}


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds or an HTTP date; None when it means nothing."""
    told = headers.get("retry-after", "").strip()
    try:
        wait_s = float(told)
    except ValueError:
        try:
            at = parsedate_to_datetime(told)
        except ValueError:
            return None
        if at.tzinfo is None:
            return None
        wait_s = max(0.0, (at - dt.datetime.now(dt.UTC)).total_seconds())
    return wait_s if 0 <= wait_s <= _MOST_RETRY_AFTER_S else None


def _object(told: Any) -> Mapping[str, Any]:
    """Return a JSON object, parsed or not; an empty one for anything else."""
    if isinstance(told, bytes):
        try:
            told = orjson.loads(told)
        except orjson.JSONDecodeError:
            return {}
    return told if isinstance(told, dict) else {}
