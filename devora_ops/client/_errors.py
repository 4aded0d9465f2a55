"""What can go wrong when an agent talks to the gateway.

    DevoraError
    ├── ConfigurationError            no key, or an address that is none
    ├── ConnectionFailed              no whole answer came back
    │   ├── Timeout                   …in the time that was allowed
    │   └── StreamInterrupted         …a stream ended early; .partial has the rest
    ├── InvalidResponse               an answer that the gateway does not give
    └── StatusError                   the gateway said no; .status says how
        ├── BadRequest                400 and every 4xx that is not below
        │   ├── PayloadTooLarge       413
        │   └── UnprocessableEntity   422
        ├── AuthenticationError       401
        ├── BudgetExceeded            402
        ├── PermissionDenied          403
        ├── NotFound                  404
        ├── Conflict                  409
        ├── RateLimited               429, with .retry_after
        └── ServerError               5xx
            └── Unavailable           503, with .retry_after

Every error carries ``message``, ``code`` (a stable word such as
``budget_exceeded``), ``request_id`` (quote it to whoever runs the gateway) and
``body`` (what the gateway said, parsed when it was JSON).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devora_ops.client._values import Answer


class DevoraError(Exception):
    """Anything that this package raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        body: Any = None,
    ) -> None:
        # Only the message goes to Exception: an error then survives pickling,
        # and with it the way back from a process pool.
        super().__init__(message)
        self.message = message
        self.code = code
        self.request_id = request_id
        self.body = body

    def __str__(self) -> str:
        marks = [self.code, self.request_id and f"request {self.request_id}"]
        shown = ", ".join(mark for mark in marks if mark)
        return f"{self.message} ({shown})" if shown else self.message


class ConfigurationError(DevoraError):
    """The client cannot start with what it was given."""


class ConnectionFailed(DevoraError):
    """No whole answer came back.

    ``request_sent`` is False when certainly nothing left this machine, so that
    nothing can have been billed. Otherwise the ledger knows; this side does not.
    """

    request_sent: bool = True


class Timeout(ConnectionFailed):
    """The gateway was silent for longer than the call's timeout."""


class StreamInterrupted(ConnectionFailed):
    """A stream ended before its end, or said inside that it had failed.

    ``partial`` is the Answer as far as it came; its cost is None unless the
    gateway still told it.
    """

    partial: "Answer | None" = None


class InvalidResponse(DevoraError):
    """Something answered that does not speak the gateway's language."""


class StatusError(DevoraError):
    """The gateway refused or failed, and said so with an HTTP status."""

    status: int = 0
    #: Seconds that the gateway asks to wait, when it does.
    retry_after: float | None = None
    #: False when the gateway says that trying again cannot help.
    should_retry: bool = True


class BadRequest(StatusError):
    """The request has to change before it can succeed."""


class PayloadTooLarge(BadRequest):
    """413: the body is larger than the gateway takes."""


class UnprocessableEntity(BadRequest):
    """422: well-formed, but it makes no sense; for example a missing variable."""


class AuthenticationError(StatusError):
    """401: the key is missing, unknown, expired or revoked."""


class BudgetExceeded(StatusError):
    """402: a hard budget has no room for this call. Waiting a second won't help."""


class PermissionDenied(StatusError):
    """403: the key lacks the scope that this needs."""


class NotFound(StatusError):
    """404: no such model, prompt, label, corpus or experiment."""


class Conflict(StatusError):
    """409: it contradicts what is there, or what is running."""


class RateLimited(StatusError):
    """429: too many calls; ``retry_after`` says when there is room again."""


class ServerError(StatusError):
    """5xx: the gateway or the provider behind it failed."""


class Unavailable(ServerError):
    """503: not now. Nothing was done, so it is safe to try again."""
