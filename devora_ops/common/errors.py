"""What can be wrong with a request, in words that reach the caller.

DevoraError                 any refusal: a code for programs, a sentence for people
├── InvalidRequest          400  the request itself is wrong
├── InvalidApiKey           401  no key, a wrong one, or one that has ended
├── BudgetExceeded          402  a hard budget has no room; never retried
├── PermissionDenied        403  the key or the role does not reach this far
├── NotFound                404
├── Conflict                409
├── PayloadTooLarge         413
├── Unprocessable           422  well-formed, but its content is not acceptable
├── RateLimited             429  a limit is reached; Retry-After says when to ask again
├── UpstreamError           502  the provider failed; the code says how
└── Unavailable             503  ours is not able to serve right now
"""

import math
from collections.abc import Mapping
from typing import Any


class DevoraError(Exception):
    """A refusal that every plane turns into its own error shape.

    param names the offending field; headers go out with the answer; extra holds
    machine-readable facts (a template's line and column, what a budget has left).
    """

    status = 400
    code = "bad_request"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.param = param
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class InvalidRequest(DevoraError):
    """The request itself is wrong."""

    code = "invalid_request"


class InvalidApiKey(DevoraError):
    """No key, a wrong one, or one that has ended."""

    status = 401
    code = "invalid_api_key"


class BudgetExceeded(DevoraError):
    """A hard budget has no room for this attempt's worst case."""

    status = 402
    code = "budget_exceeded"

    def __init__(self, message: str, **details: Any) -> None:
        # The OpenAI and Anthropic SDKs retry on their own unless told not to.
        headers = {"x-should-retry": "false", **details.pop("headers", {})}
        super().__init__(message, headers=headers, **details)


class PermissionDenied(DevoraError):
    """The key or the role does not reach this far."""

    status = 403
    code = "permission_denied"


class NotFound(DevoraError):
    """There is no such thing, or the caller may not know of it."""

    status = 404
    code = "not_found"


class Conflict(DevoraError):
    """Somebody else was first."""

    status = 409
    code = "conflict"


class PayloadTooLarge(DevoraError):
    """More bytes than this endpoint takes."""

    status = 413
    code = "payload_too_large"


class Unprocessable(DevoraError):
    """Well-formed, but its content is not acceptable."""

    status = 422
    code = "unprocessable"


class RateLimited(DevoraError):
    """A limit is reached; Retry-After says when to ask again, in whole seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, **details: Any) -> None:
        seconds = max(1, math.ceil(retry_after_s))
        headers = {"Retry-After": str(seconds), **details.pop("headers", {})}
        super().__init__(message, headers=headers, **details)


class UpstreamError(DevoraError):
    """The provider failed; the code says how."""

    status = 502
    code = "provider_error"


class Unavailable(DevoraError):
    """Ours is not able to serve right now; Retry-After says when to ask again."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, **details: Any) -> None:
        headers = {"Retry-After": "2", **details.pop("headers", {})}
        super().__init__(message, headers=headers, **details)
