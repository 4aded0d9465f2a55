"""What is refused before a view, a login or a database is troubled.

DRF negotiates first of all, so the strictness that every endpoint shares stands here:
the body must be what the view reads, as it stands, and every query parameter must be
one that the view knows.
"""

from collections.abc import Iterable

from django.http import Http404
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, NotAcceptable, UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from devora_ops.common.rest.parameters import check_names

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class LengthRequired(APIException):
    """A body whose length is not announced."""

    status_code = 411
    default_code = "length_required"


class BadLength(APIException):
    """A Content-Length that is no length."""

    status_code = 400
    default_code = "bad_request"
    default_detail = "Content-Length is not valid."


class StrictNegotiation(DefaultContentNegotiation):
    """Checks the request's form, then picks a renderer whatever Accept says."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type; JSON when nothing else fits."""
        choices = list(renderers)
        _check_length(request)
        if request.method in _BODY_METHODS and _has_body(request):
            self._check_body(request)
        try:
            renderer, media_type = super().select_renderer(
                request, choices, format_suffix
            )
        except NotAcceptable:
            renderer, media_type = choices[0], choices[0].media_type or ""
        except Http404 as error:
            raise Http404(_("There is no such format here.")) from error
        check_names(request)
        return renderer, media_type

    def _check_body(self, request: Request) -> None:
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            # Never inflated: ten kilobytes can hold a gigabyte.
            raise _unsupported(_("Send the body without a content encoding."))
        media_type, options = parse_header_parameters(request.content_type or "")
        parser = self.select_parser(request, request.parsers or ())
        if parser is None:
            raise UnsupportedMediaType(media_type or "")
        charset = options.get("charset", "utf-8").lower()
        if charset not in ("utf-8", "utf8"):
            raise _unsupported(_("The charset must be UTF-8."))


def _check_length(request: Request) -> None:
    announced = request.META.get("CONTENT_LENGTH")
    if announced and not str(announced).isdecimal():
        raise BadLength
    if not announced and request.headers.get("Transfer-Encoding"):
        raise LengthRequired(_("Send the body with a Content-Length."))


def _has_body(request: Request) -> bool:
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0", 0)


def _unsupported(detail: str) -> UnsupportedMediaType:
    return UnsupportedMediaType("", detail=detail)
