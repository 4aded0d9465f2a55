"""Form fields and the admin base that answer hostile input with a form error."""

import logging
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import DataError, models
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from devora_ops.common.logs import one_line
from devora_ops.common.strict_json import StrictJSONError, loads
from devora_ops.common.text import NAME_LENGTH, TextRefused, check_text, clean_name

log = logging.getLogger("[Web]")

# What lookups and pks from strangers raise when a query is built or run.
_BAD_VALUES = (ValueError, OverflowError, ValidationError, DataError)


def validate_name(value: str) -> None:
    """Refuse a name that `clean_name` refuses; for models and forms."""
    try:
        clean_name(value, max_length=max(len(value), NAME_LENGTH))
    except TextRefused as refusal:
        raise ValidationError(refusal.message, code=refusal.code) from None


def validate_text(value: str) -> None:
    """Refuse a longer text that no database can carry; for models and forms."""
    try:
        check_text(value, max_length=max(len(value), 1))
    except TextRefused as refusal:
        raise ValidationError(refusal.message, code=refusal.code) from None


class NameFormField(forms.CharField):
    """A one-line name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": NAME_LENGTH, **options})
        self.validators.append(validate_name)


class TextFormField(forms.CharField):
    """A text of several lines, taken as it is."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {"widget": forms.Textarea, "strip": False}
        super().__init__(**{**defaults, **options})
        self.validators.append(validate_text)


class SafeJSONFormField(forms.JSONField):
    """A JSON field that refuses what `strict_json` refuses, NaN and NUL included."""

    def to_python(self, value: Any) -> Any:
        """Return the parsed value."""
        if self.disabled or value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        try:
            return loads(value.encode())
        except (StrictJSONError, UnicodeEncodeError) as error:
            code = getattr(error, "code", "surrogate")
            raise ValidationError(
                _("Enter a valid JSON (%(code)s)."), code=code, params={"code": code}
            ) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the form shows again: what was typed, when it does not parse."""
        if self.disabled or not isinstance(data, str):
            return super().bound_data(data, initial)
        try:
            return loads(data.encode())
        except (StrictJSONError, UnicodeEncodeError):
            return InvalidJSONInput(data)


class SafeModelAdmin(ModelAdmin):  # type: ignore[misc]
    """The base of our admin classes: no garbage in a URL or a form makes a 500."""

    formfield_overrides = {
        models.JSONField: {
            "form_class": SafeJSONFormField,
            "widget": UnfoldAdminTextareaWidget,
        }
    }
    show_full_result_count = False

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        """Give every text field the check of its kind."""
        field: forms.Field | None = super().formfield_for_dbfield(
            db_field, request, **kwargs
        )
        if type(field) is forms.CharField:
            several_lines = isinstance(field.widget, forms.Textarea)
            field.validators.append(validate_text if several_lines else validate_name)
        return field

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model | None:
        """Return the object, or None also for an id that no column can hold."""
        try:
            found: models.Model | None = super().get_object(
                request, object_id, from_field
            )
        except _BAD_VALUES:
            return None
        return found

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; lookups that make no sense lead back to the whole list."""
        if "%00" in request.META.get("QUERY_STRING", ""):
            return self._whole_list(request)
        try:
            answer: HttpResponse = super().changelist_view(request, extra_context)
            # Rows are read while the page is drawn, and only here is it caught.
            if isinstance(answer, TemplateResponse):
                answer.render()
        except _BAD_VALUES as error:
            label = self.opts.label
            log.warning("changelist of %s refused: %s", label, one_line(error))
            return self._whole_list(request)
        return answer

    def _whole_list(self, request: HttpRequest) -> HttpResponseRedirect:
        self.message_user(
            request,
            _("That selection is not valid."),
            messages.ERROR,
            fail_silently=True,
        )
        return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
