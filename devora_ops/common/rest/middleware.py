"""Middlewares around every Django answer: request ids, the database's no, slashes."""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
)
from django.middleware.common import CommonMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django.utils.log import log_response
from structlog.contextvars import bind_contextvars

from devora_ops.common import request_ids
from devora_ops.common.error_pages import bad_request, unavailable
from devora_ops.common.logs import one_line
from devora_ops.common.serving import SERVED

log = logging.getLogger("[Web]")

_HEADER = "X-Request-Id"
_META = "HTTP_X_REQUEST_ID"


def request_id(request: HttpRequest) -> str:
    """Return the id that the answer carries as X-Request-Id."""
    return str(request.META.get(_META, ""))


class Visitor:
    """Who a request is served for, as far as anybody has asked yet."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def log_fields(self) -> Mapping[str, Any]:
        """Return the user's id, or the agent of a key; never a name or an address.

        Asking for the user would cost a query, and fail just when the database is away.
        """
        user = self._request.__dict__.get("user")
        if type(user) is SimpleLazyObject:
            user = getattr(self._request, "_cached_user", None)
        if agent := getattr(getattr(user, "key", None), "agent", ""):
            return {"agent": agent}
        pk = getattr(user, "pk", None)
        return {} if pk is None else {"user_id": pk}


class RequestIdMiddleware:
    """Gives every request its id, and every answer the headers that all share.

    A caller may bring a sane id along. What is logged meanwhile carries it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        _receive(request)
        return _finish(request, self.get_response(request))


class DatabaseRefusalMiddleware:
    """Answers for the database: 400 to what it cannot hold, 503 while it is away."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer NUL in a parameter or a cookie, and a database that does not answer."""
        if isinstance(exception, DataError):
            return bad_request(request, exception)
        if isinstance(exception, OperationalError | InterfaceError):
            answer = unavailable(request)
            log_response(  # or Django would log the answer once more
                "no database for %s: %s",
                request.path,
                one_line(exception),
                response=answer,
                request=request,
                logger=log,
                level="warning",
            )
            return answer
        return None


class SlashMiddleware(CommonMiddleware):
    """Completes an address that lacks its last slash, by 308 instead of 301.

    After a 301 most clients ask with GET and without the body: a POST that makes
    nothing would be answered by a 200.
    """

    response_redirect_class = functools.partial(  # type: ignore[assignment]
        HttpResponsePermanentRedirect, preserve_request=True
    )


def _receive(request: HttpRequest) -> None:
    told = request.META.get(_META, "").encode("latin-1", "replace")
    request.META[_META] = request_ids.of([(request_ids.HEADER, told)])
    # Until the request's task ends: Django logs some answers, and makes those that
    # stream, after the last middleware has returned.
    bind_contextvars(request_id=request_id(request))
    SERVED.set(Visitor(request))
    # A Content-Type may name any codec, zip among them, and Django would decode the
    # query string with it; texts are UTF-8 here, and JSON with another charset is 415.
    if request.encoding and request.encoding.lower() not in ("utf-8", "utf8"):
        request.encoding = settings.DEFAULT_CHARSET


def _finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault(_HEADER, request_id(request))
    response.headers.setdefault("Cache-Control", "no-store")
    if request.path.startswith("/api/"):
        patch_vary_headers(response, ("Authorization", "Cookie"))
    return response
