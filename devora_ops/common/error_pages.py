"""What Django answers when no view could: JSON for programs, a page for people."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _


def bad_request(
    request: HttpRequest, exception: Exception | None = None
) -> HttpResponse:
    """Answer 400."""
    return _answer(request, 400, "bad_request", _("The request is not valid."))


def permission_denied(
    request: HttpRequest, exception: Exception | None = None
) -> HttpResponse:
    """Answer 403."""
    return _answer(request, 403, "permission_denied", _("This is not yours to see."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that did not come from our own page."""
    message = _("The form has expired. Go back, reload the page and send it again.")
    return _answer(request, 403, "permission_denied", message)


def page_not_found(
    request: HttpRequest, exception: Exception | None = None
) -> HttpResponse:
    """Answer 404."""
    return _answer(request, 404, "not_found", _("There is nothing at this address."))


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503: the database is away, or busier than anyone should wait for."""
    answer = _answer(request, 503, "unavailable", database_busy_text())
    answer.headers["Retry-After"] = "2"
    return answer


def database_busy_text() -> str:
    """Return the sentence of a 503."""
    return _("The database is busy. Try again.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 with nothing but the request id."""
    return _answer(request, 500, "error", server_error_text(request))


def server_error_text(request: HttpRequest | None) -> str:
    """Return the sentence of a 500: the log has the rest under the request's id."""
    number = request.META.get("HTTP_X_REQUEST_ID", "") if request else ""
    return _("Something went wrong on our side (request %(id)s).") % {"id": number}


def error_body(kind: str, code: str, detail: str) -> dict[str, Any]:
    """Return the error shape of /api/v1 with one error that names no field."""
    return {
        "type": kind,
        "errors": [{"code": code, "detail": detail, "attr": None}],
    }


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    kind = "server_error" if status >= 500 else "client_error"
    plane = request.path.split("/", 2)[1]
    if plane == "api":
        return JsonResponse(error_body(kind, code, detail), status=status)
    if plane == "v1":
        error = {"message": detail, "type": kind, "param": None, "code": code}
        return JsonResponse({"error": error}, status=status)
    context = {"status": status, "detail": detail}
    return HttpResponse(loader.render_to_string("error.html", context), status=status)
