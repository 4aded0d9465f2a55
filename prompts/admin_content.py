"""Keeping the text of prompts from people who see numbers only."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

_PERMISSION: Final = "llm.view_content"
# What stands in a field's place; variables hold defaults and examples.
_INSTEAD: Final = {"conversation": ("hidden",), "variables": ()}
_COLUMNS: Final = frozenset({"messages", "variables"})


class ContentGuard:
    """A mixin for the admin of versions: no text without `llm.view_content`."""

    def readable(self, request: HttpRequest, fields: Sequence[str]) -> tuple[str, ...]:
        """Return the fields that a person may see."""
        if request.user.has_perm(_PERMISSION):
            return tuple(fields)
        return tuple(shown for name in fields for shown in _INSTEAD.get(name, (name,)))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse to search the texts, which would tell them letter by letter."""
        hidden = lookup.partition("__")[0] in _COLUMNS
        if hidden and not request.user.has_perm(_PERMISSION):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]
        return allowed

    @admin.display(description=_("messages"))
    def hidden(self, version: object) -> str:
        """Return what stands in the texts' place."""
        return gettext("Content hidden (ask an owner)")
