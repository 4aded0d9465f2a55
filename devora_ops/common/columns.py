"""Columns of the admin that write a field as people read it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Column = Callable[[Any], Any]


def column(model: type[models.Model], name: str, write: Column) -> Column:
    """Return what `fields` and `list_display` take for a field that `write` puts in words."""

    @admin.display(description=model._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    def shown(row: Any) -> Any:
        return write(getattr(row, name))

    shown.__name__ = f"shown_{name}"
    return shown


def yes_or_no(value: bool) -> Promise:
    """Return a word: a red cross would say that something went wrong."""
    return _("Yes") if value else _("No")
