"""Middlewares around every Django answer: request ids, the database's no, slashes."""

import functools
import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
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

from devora_ops.common.error_pages import bad_request, unavailable
from devora_ops.common.ids import uuid7
from devora_ops.common.logs import one_line

log = logging.getLogger(__name__)

_HEADER = "X-Request-Id"
_META = "HTTP_X_REQUEST_ID"


def request_id(request: HttpRequest) -> str:
    """Return the id that the answer carries as X-Request-Id."""
    return str(request.META.get(_META, ""))


class RequestIdMiddleware:
    """Gives every request an id of ours and every answer the headers that all share.

    A caller's own X-Request-Id is not trusted: ids are unique and go into the audit.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[
            [HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]
        ],
    ) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self.get_response):
            return self._answer_later(request)
        _receive(request)
        return _finish(request, self.get_response(request))

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        _receive(request)
        return _finish(request, await self.get_response(request))


class DatabaseRefusalMiddleware:
    """Answers for the database: 400 to what it cannot hold, 503 while it is away."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer NUL in a parameter or a cookie, and a database that does not answer."""
        if isinstance(exception, DataError):
            return bad_request(request, exception)
        if isinstance(exception, OperationalError | InterfaceError):
            log.warning("no database for %s: %s", request.path, one_line(exception))
            return unavailable(request)
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
    request.META[_META] = uuid7().hex
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
