"""Refusals in the words of the providers: status, type, code and message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to refuse. code: OpenAI's; the types differ by API."""

    status: int
    openai_type: str
    code: str | None
    anthropic_type: str
    message: str


class RefusalError(Exception):
    """The request is answered with an error status and nothing is billed."""

    def __init__(self, fault: Fault, *, message: str = "", param: str | None = None):
        super().__init__(message or fault.message)
        self.fault = fault
        self.message = message or fault.message
        self.param = param


_INVALID = "invalid_request_error"
_FAULTS = (
    Fault(400, _INVALID, None, _INVALID, "The request was not understood."),
    Fault(
        401, _INVALID, "invalid_api_key", "authentication_error", "Incorrect API key."
    ),
    Fault(
        402, "billing_error", "billing_error", "billing_error", "Insufficient credits."
    ),
    Fault(
        403,
        _INVALID,
        "unsupported_country_region_territory",
        "permission_error",
        "Country, region, or territory not supported.",
    ),
    Fault(
        404,
        _INVALID,
        "model_not_found",
        "not_found_error",
        "The model does not exist or you do not have access to it.",
    ),
    Fault(408, "timeout_error", "request_timeout", "timeout_error", "Timed out."),
    Fault(409, "conflict_error", "conflict", "conflict_error", "Conflict; try again."),
    Fault(
        413,
        _INVALID,
        "request_too_large",
        "request_too_large",
        "The body is too large.",
    ),
    Fault(422, _INVALID, "unprocessable", _INVALID, "The request cannot be processed."),
    Fault(
        429,
        "requests",
        "rate_limit_exceeded",
        "rate_limit_error",
        "Rate limit reached.",
    ),
    Fault(500, "server_error", None, "api_error", "The server had an error."),
    Fault(502, "server_error", None, "api_error", "Bad gateway."),
    Fault(503, "server_error", "overloaded", "overloaded_error", "Overloaded."),
    Fault(504, "server_error", None, "timeout_error", "Gateway timeout."),
    Fault(529, "server_error", "overloaded", "overloaded_error", "Overloaded."),
)
_VARIANTS = (
    Fault(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "billing_error",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault(
        429,
        "insufficient_quota",
        "enforced_spend_limit_reached",
        "billing_error",
        "The monthly spend limit has been reached.",
    ),
    Fault(
        400,
        _INVALID,
        "context_length_exceeded",
        _INVALID,
        "prompt is too long: the model's maximum context length was exceeded.",
    ),
    Fault(
        400,
        _INVALID,
        "content_filter",
        _INVALID,
        "The request was rejected by the content filter.",
    ),
)
_BY_STATUS = {fault.status: fault for fault in _FAULTS}
_BY_CODE = {fault.code: fault for fault in _VARIANTS}


def fault(status: int, code: str = "") -> Fault:
    """Return a status's usual fault, or the variant of that code."""
    return _BY_CODE[code] if code else _BY_STATUS[status]


def invalid(message: str, param: str | None = None) -> RefusalError:
    return RefusalError(_BY_STATUS[400], message=message, param=param)
