"""Paging through tables that nobody wants counted."""

from unfold import paginator


class InfinitePaginator(paginator.InfinitePaginator):  # type: ignore[misc]
    """Next and previous only, and not beyond ten thousand rows: OFFSET reads them all.

    Unfold goes by the class's name, so it is Unfold's name.
    """

    count = 10_000


class ReadOnly:
    """A mixin for admin classes: rows are looked at, never touched."""

    actions = None

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """Nobody deletes."""
        return False
