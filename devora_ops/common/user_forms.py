"""The admin's forms of people: a person has one role, and an Owner always remains."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from devora_ops.common.models import User
from devora_ops.common.people import (
    give_role,
    is_last_owner,
    let_see_content,
    lets_see_content,
)
from devora_ops.common.roles import EDITOR, OWNER, VIEWER
from devora_ops.common.time_zones import UnknownTimeZone, time_zone

_ROLES = [(VIEWER, _("Viewer")), (EDITOR, _("Editor")), (OWNER, _("Owner"))]


def _role_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Role"),
        choices=_ROLES,
        initial=VIEWER,
        widget=UnfoldAdminSelectWidget,
        help_text=_(
            "Viewers see numbers, editors change prompts, owners hold the keys."
        ),
    )


class NewUserForm(UserCreationForm):  # type: ignore[misc]
    """A new person, who can sign in at once."""

    role = _role_field()

    class Meta:
        model = User
        fields = ("username", "email")

    def save(self, commit: bool = True) -> User:
        """Let them into the dashboard."""
        self.instance.is_staff = True
        user: User = super().save(commit)
        return user

    def _save_m2m(self) -> None:
        super()._save_m2m()
        give_role(self.instance, self.cleaned_data["role"])


class UserForm(UserChangeForm):  # type: ignore[misc]
    """A person's profile and role."""

    role = _role_field()
    sees_content = forms.BooleanField(
        label=_("Sees prompts and answers"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Editors and owners see them anyway."),
    )

    class Meta:
        model = User
        fields = (
            "username",
            "password",
            "first_name",
            "last_name",
            "email",
            "is_active",
            "language",
            "time_zone",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            self.fields["role"].initial = self.instance.role or VIEWER
            self.fields["sees_content"].initial = lets_see_content(self.instance)

    def clean_time_zone(self) -> str:
        """Take a zone that exists; none: the browser's, at the next login."""
        name: str = self.cleaned_data["time_zone"]
        if not name:
            return name
        try:
            time_zone(name)
        except UnknownTimeZone:
            raise ValidationError(
                _("Name a time zone such as Europe/Paris."), code="invalid"
            ) from None
        return name

    def clean(self) -> dict[str, Any]:
        """Keep an Owner: without one, nobody could make another."""
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        stored = User.objects.get(pk=self.instance.pk)
        steps_down = cleaned.get("role") != OWNER and not stored.is_superuser
        if is_last_owner(stored) and (steps_down or not cleaned.get("is_active")):
            raise ValidationError(
                _("This is the last owner: make another one first."), code="last_owner"
            )
        return cleaned

    def _save_m2m(self) -> None:
        super()._save_m2m()
        give_role(self.instance, self.cleaned_data["role"])
        let_see_content(self.instance, self.cleaned_data["sees_content"])
