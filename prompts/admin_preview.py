"""What the editor shows beside the text: the messages as a call would send them."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from devora_ops.common.errors import DevoraError
from devora_ops.common.forms import SafeJSONFormField
from prompts.forms import DefinitionFields
from prompts.preview import preview
from prompts.rendering import check_messages
from prompts.variables import normalised

_PERMISSIONS = ("prompts.add_promptversion", "prompts.add_prompt")


class PreviewForm(DefinitionFields):
    """The editor's fields as they stand, and sample values for the variables."""

    sample = SafeJSONFormField(required=False)

    def clean(self) -> dict[str, Any] | None:
        """Leave the version unchecked: it is half written."""
        return self.cleaned_data


@staff_member_required
@require_POST
def preview_view(request: HttpRequest) -> HttpResponse:
    """Answer with the rendered messages, or with what is wrong with the text."""
    if not any(request.user.has_perm(name) for name in _PERMISSIONS):
        raise PermissionDenied
    return render(request, "admin/prompts/_preview.html", _shown(request))


def _shown(request: HttpRequest) -> dict[str, Any]:
    form = PreviewForm(request.POST)
    form.full_clean()
    refused = {n: form.errors[n] for n in _READ if n in form.errors}
    if refused:
        return {"errors": refused}
    messages = form.messages_given()
    if not messages:
        return {}
    try:
        values = _values(form, messages)
        return {"messages": preview(messages, values)}
    except DevoraError as error:
        return {"error": error.message, "position": error.extra.get("position")}
    except (AttributeError, TypeError):
        # The JSON of half-written messages can be anything.
        return {}


_READ = ("system", "user", "messages", "variables", "sample")


def _values(form: PreviewForm, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return sample values, then examples, then the names themselves."""
    declared = normalised(form.cleaned_data.get("variables") or {})
    shown = {
        name: declaration.get("example", declaration.get("default"))
        for name, declaration in declared.items()
        if "example" in declaration or "default" in declaration
    }
    names = {name: f"‹{name}›" for name in check_messages(messages).needed}
    sample = form.cleaned_data.get("sample")
    return {**names, **shown, **(sample if isinstance(sample, dict) else {})}
