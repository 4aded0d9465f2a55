"""Pages by a key instead of a number: stable while rows arrive, quick at any depth."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

MAX_LIMIT = 500


class KeysetPagination(CursorPagination):
    """Newest first unless the view names another unique field in `keyset`."""

    page_size = 50
    max_page_size = MAX_LIMIT
    page_size_query_param = "limit"
    ordering = "-id"
    template = None

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        """Return one page; a cursor that is not ours is the caller's mistake."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ModelValidationError, DataError) as error:
            raise _bad_cursor() from error

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor of the request, if any; DRF reads junk as page one."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _bad_cursor() from error
        if cursor and _written(cursor) != request.query_params["cursor"]:
            raise _bad_cursor()
        return cursor

    def get_page_size(self, request: Request) -> int:
        """Return the limit; one out of range is refused, not adjusted."""
        given = request.query_params.get("limit")
        if given is None:
            return self.page_size
        number = (
            int(given)
            if given.isascii() and given.isdecimal() and len(given) < 9
            else -1
        )
        if not 1 <= number <= MAX_LIMIT:
            detail = _("Give a whole number from 1 to %(most)s.") % {"most": MAX_LIMIT}
            raise ValidationError({"limit": [detail]}, "range")
        return number

    def get_ordering(
        self, request: Request, queryset: QuerySet[Model], view: APIView
    ) -> tuple[str, ...]:
        """Return the key the view pages by."""
        return (getattr(view, "keyset", self.ordering),)


def _written(cursor: Cursor) -> str | None:
    """Return a cursor as we write it, or None for one that we would not."""
    tokens = {
        "o": str(cursor.offset) if cursor.offset else None,
        "r": "1" if cursor.reverse else None,
        "p": cursor.position,
    }
    given = {name: value for name, value in tokens.items() if value is not None}
    return b64encode(urlencode(given).encode()).decode() if given else None


def _bad_cursor() -> ValidationError:
    return ValidationError({"cursor": [_("This cursor is not valid.")]}, "invalid")
