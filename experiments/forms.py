"""The admin's forms of experiments: variants by the number of their version."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from devora_ops.common.errors import DevoraError
from devora_ops.common.forms import NameFormField
from experiments.models import Experiment, Variant
from experiments.services import check_variants
from prompts.models import PromptVersion
from prompts.runtime import DEFAULT_LABEL
from prompts.services import check_label

_MOST_WEIGHT = 1_000_000


class VariantForm(forms.ModelForm):  # type: ignore[type-arg]
    """One candidate; its version is one of the experiment's prompt."""

    name = NameFormField(max_length=64, widget=UnfoldAdminTextInputWidget)
    number = forms.IntegerField(
        label=_("Version"),
        min_value=1,
        max_value=2_147_483_647,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    weight = forms.IntegerField(
        label=_("Weight"),
        min_value=0,
        max_value=_MOST_WEIGHT,
        initial=1,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    class Meta:
        model = Variant
        fields = ("name", "weight")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["number"] = self.instance.version.number


class VariantFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    """The candidates together: enough of them, and of the right prompt."""

    def clean(self) -> None:
        """Find the versions, then weigh the variants."""
        super().clean()
        kept = [form for form in self.forms if self._counts(form)]
        for form in kept:
            self._find_version(form)
        if any(self.errors):
            return
        try:
            check_variants([form.cleaned_data["weight"] for form in kept])
        except DevoraError as error:
            raise forms.ValidationError(error.message) from None

    def _counts(self, form: VariantForm) -> bool:
        data = getattr(form, "cleaned_data", {})
        return bool(data.get("number")) and not data.get("DELETE")

    def _find_version(self, form: VariantForm) -> None:
        versions = PromptVersion.objects.filter(prompt_id=self.instance.prompt_id)
        version = versions.filter(number=form.cleaned_data["number"]).first()
        if version is None:
            form.add_error("number", gettext("The prompt has no such version."))
        else:
            form.instance.version = version


class StepForm(forms.Form):
    """A step of an experiment's life that asks for nothing but a click."""

    def __init__(self, *args: Any, experiment: Experiment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.experiment = experiment


class PromoteForm(StepForm):
    """Which variant won, and which label is to follow it."""

    variant = forms.ChoiceField(label=_("Variant"), widget=UnfoldAdminSelectWidget)
    label = NameFormField(
        label=_("Label"),
        max_length=64,
        initial=DEFAULT_LABEL,
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variants = self.experiment.variants.select_related("version")
        variant = self.fields["variant"]
        variant.choices = [  # type: ignore[attr-defined]
            (v.name, f"{v.name} (v{v.version.number})") for v in variants
        ]

    def clean_label(self) -> str:
        """Refuse a name that no label may have."""
        label: str = self.cleaned_data["label"]
        try:
            check_label(label)
        except DevoraError as error:
            raise forms.ValidationError(error.message) from None
        return label
