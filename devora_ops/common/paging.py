"""Paging through tables that nobody wants counted."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from unfold import paginator

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class InfinitePaginator(paginator.InfinitePaginator):  # type: ignore[misc]
    """Next and previous only, and not beyond ten thousand rows: OFFSET reads them all.

    Unfold goes by the class's name, so it is Unfold's name.
    """

    count = 10_000


class ReadOnly:
    """A mixin for admin classes: rows are looked at, never touched.

    empty_text: what the list says while there is none, for nobody can create one.
    """

    actions = None
    change_list_template = "admin/read_only_list.html"
    empty_text: "_StrPromise" = _("There is nothing here yet.")

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """Nobody deletes."""
        return False
