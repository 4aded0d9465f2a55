"""Every exception of a REST view becomes one shape: type, errors, code, detail, attr.

Built on drf-standardized-errors, which also describes the shape in the OpenAPI schema.
"""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.log import log_response
from django.utils.translation import gettext as _
from drf_standardized_errors.handler import ExceptionHandler as StandardHandler
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error

from devora_ops.common.error_pages import database_busy_text, server_error_text
from devora_ops.common.errors import (
    Conflict,
    DevoraError,
    InvalidRequest,
    PayloadTooLarge,
    Unavailable,
)
from devora_ops.common.logs import one_line

log = logging.getLogger("[Web]")

_UNIQUE_VIOLATION = "23505"


class Refusal(APIException):
    """A DevoraError on its way through DRF."""

    def __init__(self, error: DevoraError) -> None:
        super().__init__(error.message, error.code)
        self.status_code = error.status
        self.error = error


class ExceptionHandler(StandardHandler):
    """Knows our errors and Django's, and says nothing of the rest but a request id."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return the DRF exception that an exception amounts to."""
        if isinstance(exc, ModelValidationError):
            return ValidationError(as_serializer_error(exc))
        if isinstance(exc, DevoraError):
            return Refusal(exc)
        known = _as_refusal(exc)
        return Refusal(known) if known else super().convert_known_exceptions(exc)

    def should_not_handle(self, exc: Exception) -> bool:
        """Handle everything, also under DEBUG: no answer is ever a trace."""
        return False

    def report_exception(self, exc: APIException, response: Response) -> None:
        """Log the cause: one line of what was foreseen, a trace of anything else."""
        if not isinstance(exc, Refusal):
            super().report_exception(exc, response)
        elif exc.status_code >= 500:
            log_response(  # or Django would log the answer once more
                "answered %s: %s",
                exc.status_code,
                one_line(self.exc),
                response=response,
                request=self.context["request"],
                logger=log,
                level="warning",
            )

    def format_exception(self, exc: APIException) -> dict[str, Any]:
        """Return the body."""
        body: dict[str, Any] = super().format_exception(exc)
        if isinstance(exc, Refusal):
            body["errors"][0] |= {"attr": exc.error.param, **exc.error.extra}
            if exc.error.param and exc.status_code in (400, 422):
                body["type"] = "validation_error"
        elif exc.status_code >= 500:
            request = self.context["request"]
            body["errors"][0]["detail"] = server_error_text(request)
        return body

    def get_headers(self, exc: APIException) -> dict[str, str]:
        """Return the headers that belong to the error."""
        own = exc.error.headers if isinstance(exc, Refusal) else {}
        return {**super().get_headers(exc), **own}


def _as_refusal(exc: Exception) -> DevoraError | None:
    if isinstance(exc, RequestDataTooBig):
        return PayloadTooLarge(_("The body is too large."))
    if isinstance(exc, SuspiciousOperation | MultiPartParserError):
        return InvalidRequest(_("The request is not valid."), code="bad_request")
    if isinstance(exc, UnreadablePostError):
        return InvalidRequest(_("The body could not be read."), code="bad_request")
    return _as_database_refusal(exc)


def _as_database_refusal(exc: Exception) -> DevoraError | None:
    if isinstance(exc, DataError):
        return InvalidRequest(_("A value cannot be stored."), code="invalid")
    if isinstance(exc, ProtectedError):
        return Conflict(_("Something else still needs it."))
    if isinstance(exc, IntegrityError) and _sqlstate(exc) == _UNIQUE_VIOLATION:
        return Conflict(_("There is one like this already."))
    if isinstance(exc, OperationalError | InterfaceError):
        return Unavailable(database_busy_text())
    return None


def _sqlstate(exc: Exception) -> str | None:
    return getattr(exc.__cause__, "sqlstate", None)
