"""The admin's forms of budgets and prices."""

import re
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.db import DataError, connection, transaction
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from costs.models import Budget, Price
from costs.price_rows import EACH, MODEL_NAME, PER_TOKEN, RATES
from costs.price_sanity import slips
from costs.pricing import ScheduleInvalid
from costs.targets import target_faults
from devora_ops.common.time_zones import UnknownTimeZone, time_zone

_MILLION = Decimal(1_000_000)
_DEAREST = Decimal(1_000_000)
_PLAIN = re.compile(r"[-+]?[0-9]*\.?[0-9]*")


class PlainDecimalField(forms.DecimalField):
    """A number in plain digits: 1e3 and Arabic digits are no amounts, as over REST."""

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Return the number."""
        if isinstance(value, str) and not _PLAIN.fullmatch(value.strip()):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class MoneyField(PlainDecimalField):
    """An amount in USD, shown with cents and without the zeros that a column adds."""

    widget = UnfoldAdminDecimalFieldWidget

    def prepare_value(self, value: Any) -> Any:
        """Return what the form shows for a stored amount."""
        if isinstance(value, Decimal):
            return _with_cents(value)
        return value


# What is typed with commas between.
_LISTS: Final = {
    "alert_steps": forms.IntegerField(min_value=1, max_value=1000),
    "alert_emails": forms.EmailField(max_length=254),
}


def _with_cents(amount: Decimal) -> str:
    exponent = int(amount.normalize().as_tuple().exponent)
    return f"{amount:.{max(2, -exponent)}f}"


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A budget: a limit, a period, and which calls count."""

    limit_usd = MoneyField(
        label=_("Limit (USD)"), min_value=Decimal(0), max_digits=20, decimal_places=9
    )

    class Meta:
        model = Budget
        fields = (
            "name",
            "limit_usd",
            "period",
            "time_zone",
            "hard",
            "route_down_at",
            "route_down_to",
            "cache_only_at",
            "team",
            "agent",
            "end_user",
            "model",
            "prompt",
            "experiment",
            "alert_steps",
            "alert_forecast",
            "alert_emails",
            "alert_slack",
            "snoozed_until",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, base in _LISTS.items():
            model_field = Budget._meta.get_field(name)
            self.fields[name] = SimpleArrayField(
                base,
                initial=model_field.get_default(),  # type: ignore[union-attr]
                max_length=model_field.size,  # type: ignore[union-attr]
                required=False,
                label=capfirst(model_field.verbose_name),  # type: ignore[union-attr]
                help_text=model_field.help_text,  # type: ignore[union-attr]
                widget=UnfoldAdminTextInputWidget,
            )

    def clean_alert_steps(self) -> list[int]:
        """Put them in order, each once."""
        return sorted(set(self.cleaned_data["alert_steps"]))

    def clean_route_down_to(self) -> str:
        """Take a name that calls can go to; one that went since hinders no change."""
        name: str = self.cleaned_data["route_down_to"]
        if "route_down_to" in self.changed_data:
            for fault in target_faults([name]).values():
                raise ValidationError(fault, code="invalid")
        return name

    def clean_time_zone(self) -> str:
        """Take a zone that both Python and Postgres know: Postgres cuts the periods."""
        name: str = self.cleaned_data["time_zone"]
        try:
            time_zone(name)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT now() AT TIME ZONE %s", [name])
        except (UnknownTimeZone, DataError):
            raise ValidationError(
                _("Name a time zone such as Europe/Paris."), code="invalid"
            ) from None
        return name


class BudgetPreviewForm(BudgetForm):
    """A budget that nobody has to save: its name may be missing, or taken."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False

    def validate_unique(self) -> None:
        """Leave the name alone."""

    def validate_constraints(self) -> None:
        """Leave the name alone."""


class RateField(PlainDecimalField):
    """A price in USD. million: typed per million tokens, stored per token."""

    widget = UnfoldAdminDecimalFieldWidget

    def __init__(self, *, million: bool, **options: Any) -> None:
        self._divisor = _MILLION if million else Decimal(1)
        super().__init__(
            required=False,
            min_value=Decimal(0),
            max_value=_DEAREST,
            max_digits=20,
            decimal_places=12,
            **options,
        )

    def clean(self, value: Any) -> Decimal | None:
        """Return the stored rate."""
        typed: Decimal | None = super().clean(value)
        return None if typed is None else typed / self._divisor

    def prepare_value(self, value: Any) -> Any:
        """Return what the form shows for a stored rate."""
        if isinstance(value, Decimal):
            return f"{(value * self._divisor).normalize():f}"
        return value


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A price row, in the units that providers publish."""

    model = forms.CharField(
        label=_("Model"),
        max_length=300,
        help_text=_("provider/name"),
        widget=UnfoldAdminTextInputWidget,
    )
    confirmed = forms.BooleanField(
        label=_("It is meant"),
        required=False,
        help_text=_("Asked for only where a price looks like a slip of units."),
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = Price
        fields = ("model", "valid_from", "source", *PER_TOKEN, *EACH, "schedule")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in RATES:
            if name in self.fields:
                label = self.fields[name].label
                self.fields[name] = RateField(million=name in PER_TOKEN, label=label)

    def clean_model(self) -> str:
        """Take the name of a provider and, after a slash, of its model."""
        name: str = self.cleaned_data["model"]
        if not MODEL_NAME.fullmatch(name):
            raise ValidationError(_("Write it as provider/name."), code="invalid")
        return name

    def clean(self) -> dict[str, Any]:
        """Ask for a rate at least, and for a yes to what looks like a slip."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        rates = {name: cleaned.get(name) for name in RATES}
        if all(rate is None for rate in rates.values()):
            raise ValidationError(
                _("Enter a rate; 0 for what is free."), code="required"
            )
        try:
            told = list(slips(rates, cleaned.get("schedule") or {}))
        except ScheduleInvalid:
            told = []  # the model says what is wrong with it
        if told and not cleaned.get("confirmed"):
            self.add_error("confirmed", told)
        return cleaned
