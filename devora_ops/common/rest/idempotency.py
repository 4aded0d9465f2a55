"""Idempotency-Key: a POST that is sent again does not happen again.

The record is written in the transaction of what it guards: a twin that arrives at the
same time waits for that transaction and gets its answer, a process that dies takes the
record with it, and a refusal leaves none, so a corrected request may use the key.
"""

import datetime as dt
import functools
import hashlib
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import orjson
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from devora_ops.common.errors import Conflict, InvalidRequest
from devora_ops.common.models import IdempotencyRecord
from devora_ops.common.rest.permissions import caller_name
from devora_ops.common.rest.renderers import ORJSONRenderer

KEPT_FOR = dt.timedelta(hours=24)
_MAX_LENGTH = 255
_LOCK_NOT_AVAILABLE = "55P03"

_View = TypeVar("_View")
_Rest = ParamSpec("_Rest")
_Handler = Callable[Concatenate[_View, Request, _Rest], Response]


def idempotent(post: _Handler[_View, _Rest]) -> _Handler[_View, _Rest]:
    """Give a view's POST the meaning of an Idempotency-Key."""

    @functools.wraps(post)
    def once(
        view: _View, request: Request, /, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return post(view, request, *args, **kwargs)
        _check(key)
        with transaction.atomic():
            record, is_new = _claim(request, key)
            if not is_new:
                return _replay(record, request)
            response = post(view, request, *args, **kwargs)
            _keep(record, response)
        return response

    return once


def _check(key: str) -> None:
    if not 1 <= len(key) <= _MAX_LENGTH:
        raise InvalidRequest(
            _("An Idempotency-Key has from 1 to 255 characters."), code="max_length"
        )
    if not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            _("An Idempotency-Key is printable ASCII."), code="bad_request"
        )


def _claim(request: Request, key: str) -> tuple[IdempotencyRecord, bool]:
    mine = IdempotencyRecord.objects.filter(caller=caller_name(request), key=key)
    mine.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    try:
        return mine.get_or_create(
            defaults={
                "caller": caller_name(request),
                "key": key,
                "fingerprint": _fingerprint(request),
            }
        )
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Conflict(
            _("The first request with this Idempotency-Key still runs."),
            code="idempotency_in_progress",
            headers={"Retry-After": "2"},
        ) from error


def _replay(record: IdempotencyRecord, request: Request) -> Response:
    if bytes(record.fingerprint) != _fingerprint(request):
        raise Conflict(
            _("This Idempotency-Key belongs to another request."),
            code="idempotency_mismatch",
        )
    body = orjson.loads(bytes(record.body or b"null"))
    headers = {"Idempotency-Replayed": "true"}
    return Response(body, status=record.status, headers=headers)


def _keep(record: IdempotencyRecord, response: Response) -> None:
    record.status = response.status_code
    record.body = ORJSONRenderer().render(response.data)
    record.save(update_fields=["status", "body"])


def _fingerprint(request: Request) -> bytes:
    told = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(told + request.body).digest()
