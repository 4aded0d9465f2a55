"""The admin's forms of keys, providers, models and routes."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from devora_ops.common import addresses
from devora_ops.common.apikeys import SCOPES
from llm.models import ApiKey, Model, Provider, Route
from llm.policy import BULKHEAD_SIZE, USUAL
from llm.services import LIMITS

_SCOPES = {
    "call": _("call: the gateway, search and experiments"),
    "read": _("read: every number"),
    "write": _("write: prompts, corpora and experiments"),
    "admin": _("admin: budgets, prices and routes, and all of the above"),
}
_COLOURS = (
    *(_("1 blue"), _("2 vermilion"), _("3 green")),
    *(_("4 purple"), _("5 gold"), _("6 cyan")),
    *(_("7 blue, hatched"), _("8 vermilion, hatched"), _("9 green, hatched")),
    *(_("10 purple, hatched"), _("11 gold, hatched"), _("12 cyan, hatched")),
)
_LONGEST_SECRET = 1000


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new key; the least that is useful is chosen."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, _SCOPES[scope]) for scope in SCOPES],
        initial=["call"],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiKey
        fields = ("agent", "name", "scopes", "expires_at", *LIMITS)

    def clean_expires_at(self) -> Any:
        """Refuse a key that is over before it begins."""
        moment = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise ValidationError(_("This moment has passed."), code="past")
        return moment


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """A provider; its key is written and never shown."""

    secret = forms.CharField(
        label=_("API key"),
        required=False,
        max_length=_LONGEST_SECRET,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Provider
        fields = ("name", "slug", "kind", "base_url", "bulkhead_size", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "bulkhead_size" in self.fields:
            self.fields["bulkhead_size"].widget.attrs["placeholder"] = BULKHEAD_SIZE
        if "secret" in self.fields:
            self.fields["secret"].help_text = self._stored_key()

    def _stored_key(self) -> str:
        if not self.instance.sealed_secret:
            return gettext("No key is stored yet.")
        told = gettext(
            "A key that ends in %(last)s is stored. Leave this empty to keep it."
        )
        return told % {"last": self.instance.last_four or "…"}

    def keeps_operators_address(self) -> bool:
        """Say whether the address is still the one that the environment named."""
        return self.instance.internal_allowed and "base_url" not in self.changed_data

    def clean_secret(self) -> str:
        """Refuse what no HTTP header can carry."""
        secret: str = self.cleaned_data["secret"]
        if not secret.isascii() or not secret.isprintable():
            raise ValidationError(_("A key is printable ASCII text."), code="invalid")
        return secret

    def clean_base_url(self) -> str:
        """Refuse addresses inside the network, unless the operator allows them."""
        url: str = self.cleaned_data["base_url"]
        if self.keeps_operators_address():
            return url
        try:
            addresses.check_url(
                url, allowed_hosts=settings.DEVORA_ALLOWED_INTERNAL_HOSTS
            )
        except addresses.UrlForbidden as error:
            raise ValidationError(error.message, code="url_forbidden") from None
        return url

    def clean(self) -> dict[str, Any]:
        """Ask for the key again where a new address would have it sent elsewhere."""
        cleaned = super().clean() or self.cleaned_data
        moved = self.instance.pk and "base_url" in self.changed_data
        if moved and "base_url" in cleaned and not cleaned.get("secret"):
            self.add_error("secret", _("Enter the key again to change the address."))
        return cleaned


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A model and its place in the palette."""

    color_slot = forms.TypedChoiceField(
        label=_("Colour"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "–"), *enumerate(_COLOURS, start=1)],
        widget=UnfoldAdminSelectWidget,
        help_text=_("The same colour on every chart; from 7 on with a pattern."),
    )

    class Meta:
        model = Model
        fields = (
            "provider",
            "name",
            "context_window",
            "max_output_tokens",
            "color_slot",
            "abilities",
            "is_active",
        )


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A route; what is left empty shows what holds then."""

    class Meta:
        model = Route
        fields = (
            *("slug", "strategy", "default_max_tokens", "is_active"),
            *("connect_s", "first_byte_s", "between_chunks_s", "total_s"),
            *("max_attempts", "allow_duplicates", "larger_when_too_long"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in USUAL.__slots__:
            usual = getattr(USUAL, name)
            if name in self.fields and not isinstance(usual, bool):
                self.fields[name].widget.attrs["placeholder"] = f"{usual:g}"
                if (told := self.initial.get(name)) is not None:
                    self.initial[name] = f"{told:g}"  # 30, and not 30.0


class TargetFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    """The models of a route together: an active one leads somewhere."""

    def clean(self) -> None:
        """Ask for a target: agents would be refused at once."""
        super().clean()
        if any(self.errors) or not self.instance.is_active:
            return
        if not any(self._counts(form) for form in self.forms):
            raise ValidationError(
                _("An active route needs at least one target."), code="no_target"
            )

    def _counts(self, form: forms.ModelForm) -> bool:  # type: ignore[type-arg]
        data = getattr(form, "cleaned_data", {})
        return bool(data.get("model")) and not data.get("DELETE")
