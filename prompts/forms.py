"""The admin's forms: a version is written in text areas, JSON is for the rest."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from devora_ops.common.errors import DevoraError
from devora_ops.common.forms import NameFormField, SafeJSONFormField, TextFormField
from prompts.definition import MAX_TOP_K, Definition, checked
from prompts.models import Prompt, PromptVersion
from prompts.runtime import DEFAULT_LABEL
from prompts.services import check_corpus, check_label
from rag.models import Corpus

_SIMPLE_ROLES = (["system"], ["user"], ["system", "user"])
# Which field of the form shows the trouble with a part of the definition.
_FIELD_OF = {"retrieval": "top_k", "response_schema": "response_schema"}


def _area(rows: int) -> UnfoldAdminTextareaWidget:
    style = "font-family: ui-monospace, monospace"
    attributes = {"rows": rows, "spellcheck": "false", "style": style}
    return UnfoldAdminTextareaWidget(attrs=attributes)


def _text(label: Any, help_text: Any = "", rows: int = 6) -> TextFormField:
    return TextFormField(
        label=label,
        required=False,
        max_length=100_000,
        widget=_area(rows),
        help_text=help_text,
    )


class _OptionalJSONField(SafeJSONFormField):
    """JSON that may be left out: an empty box instead of the word null."""

    def prepare_value(self, value: Any) -> Any:
        """Return what the box shows."""
        return "" if value is None else super().prepare_value(value)


def _json(label: Any, help_text: Any = "") -> SafeJSONFormField:
    return _OptionalJSONField(
        label=label, required=False, widget=_area(4), help_text=help_text
    )


def _corpora(current: str | None) -> list[tuple[str, str]]:
    """Return the corpora to choose from, one that is gone included if it is in use."""
    slugs = list(Corpus.objects.order_by("slug").values_list("slug", flat=True))
    if current and current not in slugs:
        slugs.append(current)
    return [("", "–"), *((slug, slug) for slug in slugs)]


class DefinitionFields(forms.Form):
    """The fields of a version; `definition` is set once they are valid together."""

    definition: Definition | None = None

    system = _text(_("System"), _("How the model is to behave."), rows=12)
    user = _text(
        _("User"), _("Write {{ name }} where a variable goes, {% if … %} for a choice.")
    )
    messages = _json(
        _("All messages (JSON)"),
        _("For conversations of other roles or with images; replaces the two texts."),
    )
    model = NameFormField(
        label=_("Model"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("A route, such as “smart”, or provider/model."),
    )
    temperature = forms.FloatField(
        label=_("Temperature"),
        required=False,
        min_value=0,
        max_value=2,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    max_tokens = forms.IntegerField(
        label=_("Output limit (tokens)"),
        required=False,
        min_value=1,
        max_value=10_000_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    corpus = forms.ChoiceField(
        label=_("Corpus"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_(
            "Passages that fit the question go where the user text says {{ context }}, "
            "else before the last question."
        ),
    )
    top_k = forms.IntegerField(
        label=_("Passages"),
        required=False,
        min_value=1,
        max_value=MAX_TOP_K,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    variables = _json(
        _("Variables (JSON)"),
        _(
            'Name → {"type", "required", "default", "example"}; '
            "those that are not listed may be of any type."
        ),
    )
    parameters = _json(_("Other parameters (JSON)"))
    response_schema = _json(_("Response schema (JSON)"))
    cache = _json(
        _("Cache policy (JSON)"), _('Such as {"enabled": true, "ttl_s": 60}.')
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        corpus = self.fields.get("corpus")  # not there when the version is only shown
        if isinstance(corpus, forms.ChoiceField):
            corpus.choices = _corpora(self.initial.get("corpus"))

    def clean(self) -> dict[str, Any] | None:
        """Check the version as a whole."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        try:
            self.definition = checked(self.definition_given())
            check_corpus(self.definition.corpus)
        except DevoraError as error:
            self._add_refusal(error)
        return cleaned

    def definition_given(self) -> dict[str, Any]:
        """Return what the fields say, as prompts.definition takes it."""
        data = self.cleaned_data
        top_k = data.get("top_k")
        return {
            "messages": self.messages_given(),
            "model": data.get("model"),
            "variables": data.get("variables"),
            "parameters": self._parameters(),
            "response_schema": data.get("response_schema"),
            "corpus": data.get("corpus"),
            "retrieval": {"top_k": top_k} if top_k else {},
            "cache": data.get("cache"),
        }

    def messages_given(self) -> list[dict[str, Any]]:
        """Return the messages: the JSON if there is any, else the two texts."""
        data = self.cleaned_data
        if data.get("messages"):
            messages: list[dict[str, Any]] = data["messages"]
            return messages
        return [{"role": role, "content": data[role]} for role in self._written_roles()]

    def _written_roles(self) -> list[str]:
        return [r for r in ("system", "user") if self.cleaned_data.get(r, "").strip()]

    def _parameters(self) -> Any:
        given = self.cleaned_data.get("parameters")
        own = {
            name: self.cleaned_data[name]
            for name in ("temperature", "max_tokens")
            if self.cleaned_data.get(name) is not None
        }
        if given is None or isinstance(given, dict):
            return {**(given or {}), **own}
        return given

    def _add_refusal(self, error: DevoraError) -> None:
        message = error.message
        if position := error.extra.get("position"):
            message = gettext("Line %(line)s, column %(column)s: %(message)s") % {
                **position,
                "message": message,
            }
        self.add_error(self._field_of(error.param), message)

    def _field_of(self, param: str | None) -> str | None:
        root, _dot, rest = (param or "").partition(".")
        if root == "messages" and not self.cleaned_data.get("messages"):
            roles = self._written_roles()
            place = rest.partition(".")[0]
            return roles[int(place)] if place.isdigit() and roles else "user"
        field = _FIELD_OF.get(root, root)
        return field if field in self.fields else None


class NewPromptForm(DefinitionFields, forms.ModelForm):  # type: ignore[type-arg]
    """A new prompt with its first version."""

    class Meta:
        model = Prompt
        fields = ("slug", "name", "description")


class VersionForm(DefinitionFields, forms.ModelForm):  # type: ignore[type-arg]
    """A new version of a prompt; based_on is the one its author saw."""

    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = PromptVersion
        fields = ("prompt", "model", "corpus", "note")

    def clean(self) -> dict[str, Any] | None:
        """Refuse to save over a version that was made meanwhile."""
        cleaned = super().clean()
        prompt, seen = (
            self.cleaned_data.get("prompt"),
            self.cleaned_data.get("based_on"),
        )
        newest = prompt.versions.first() if prompt else None
        if newest is not None and seen is not None and newest.number != seen:
            message = gettext(
                "%(who)s saved version %(number)s meanwhile. Compare it with yours, "
                "then save again."
            )
            values = {"who": newest.created_by, "number": newest.number}
            self.add_error(None, message % values)
            # What was typed stays; saving it once more is then a decision.
            self.data = {**self.data.dict(), "based_on": str(newest.number)}  # type: ignore[attr-defined]
        return cleaned


class MoveLabelForm(forms.Form):
    """Which label is to point here."""

    label = NameFormField(
        label=_("Label"),
        max_length=64,
        initial=DEFAULT_LABEL,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Calls of “prompt:slug” follow the label “production”."),
    )

    def clean_label(self) -> str:
        """Refuse a name that no label may have."""
        label: str = self.cleaned_data["label"]
        try:
            check_label(label)
        except DevoraError as error:
            raise forms.ValidationError(error.message) from None
        return label


def initial_of(version: PromptVersion) -> dict[str, Any]:
    """Return a version as the form shows it."""
    parameters = dict(version.parameters)
    return {
        **_written(version.messages),
        "model": version.model,
        "temperature": parameters.pop("temperature", None),
        "max_tokens": parameters.pop("max_tokens", None),
        "parameters": parameters or None,
        "variables": _declared(version.variables) or None,
        "response_schema": version.response_schema,
        "corpus": version.corpus,
        "top_k": version.retrieval.get("top_k") if version.corpus else None,
        "cache": version.cache or None,
    }


def _written(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Put messages into the two texts where they fit, else into the JSON."""
    simple = all(
        message.keys() == {"role", "content"} and isinstance(message["content"], str)
        for message in messages
    )
    if simple and [message["role"] for message in messages] in _SIMPLE_ROLES:
        return {message["role"]: message["content"] for message in messages}
    return {"messages": messages}


def _declared(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was found in the texts and will be found there again."""
    return {
        name: declaration
        for name, declaration in variables.items()
        if declaration.keys() - {"type", "required"} or declaration["type"] != "any"
    }
