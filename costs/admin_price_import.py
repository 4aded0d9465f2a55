"""The pages of an import in the admin: a file, what it would change, and yes.

The file travels from the first page to the second in a signed field, so that what is
confirmed is what was shown; it is compared with the book once more all the same.
"""

import base64
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from costs.price_files import MAX_BYTES, FileRefused, read_file
from costs.price_import import VERDICTS, Review, Verdict
from costs.price_importing import ImportRefused, import_prices, preview
from costs.price_rows import ProposedPrice
from devora_ops.common.rest.middleware import request_id

_SALT: Final = "costs.price_import"
_HOUR_S: Final = 3600
_WORDS: Final[dict[Verdict, Any]] = {
    "invalid": _("Invalid"),
    "suspicious": _("Suspicious"),
    "changed": _("Changed"),
    "new": _("New"),
    "same": _("Same"),
}


class PriceFileForm(forms.Form):
    """Which file, and in which unit its rows are that do not say so."""

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "CSV with the columns model, valid_from, unit, input, output, cache_read and "
            "the other rates; or JSON, as the price table that ships with the product."
        ),
        widget=UnfoldAdminFileFieldWidget,
        allow_empty_file=True,
    )
    unit = forms.ChoiceField(
        label=_("Unit"),
        choices=[
            ("per_million", _("USD per million tokens")),
            ("per_token", _("USD per token")),
        ],
        help_text=_("Of rows that say none themselves."),
        widget=UnfoldAdminSelectWidget,
    )


def import_view(
    request: HttpRequest, context: dict[str, Any], done_url: str
) -> HttpResponse:
    """Serve both pages. context: of the admin site. done_url: where the list is."""
    if "list" in request.POST:
        return _confirm(request, context, done_url)
    form = PriceFileForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data["file"]
        content = file.read(MAX_BYTES + 1)
        try:
            sealed = _seal(content, form.cleaned_data["unit"], file.name[:200])
            return _shown(request, context, preview(_rows(sealed)), sealed)
        except FileRefused as refusal:
            form.add_error("file", refusal.message)
    return _asked(request, context, form)


def _asked(
    request: HttpRequest, context: dict[str, Any], form: PriceFileForm
) -> HttpResponse:
    more = {
        "form": form,
        "title": gettext("Import prices"),
        "explanation": gettext("The next page shows what would change."),
        "submit_label": gettext("Preview"),
        "with_file": True,
    }
    return TemplateResponse(request, "admin/action_form.html", {**context, **more})


def _shown(
    request: HttpRequest,
    context: dict[str, Any],
    found: Review,
    sealed: str,
    refusal: str = "",
) -> HttpResponse:
    accepted = request.POST.getlist("accept")
    more = {
        "title": gettext("Import prices"),
        "counts": [(_WORDS[name], found.counts[name]) for name in VERDICTS],
        "rows": [
            {
                "word": _WORDS[each.verdict],
                "accepted": each.row.model in accepted,
                "reviewed": each,
            }
            for each in sorted(found.rows, key=lambda r: VERDICTS.index(r.verdict))
        ],
        "can_import": not found.counts["invalid"],
        "says_the_same": not found.written(),
        "list": sealed,
        "refusal": refusal,
    }
    return TemplateResponse(
        request, "admin/costs/price_import.html", {**context, **more}
    )


def _confirm(
    request: HttpRequest, context: dict[str, Any], done_url: str
) -> HttpResponse:
    sealed = request.POST["list"]
    try:
        rows = _rows(sealed)
    except signing.BadSignature:
        messages.error(request, gettext("The preview is too old: send the file again."))
        return HttpResponseRedirect(request.path)
    try:
        _found, made = import_prices(
            rows,
            accept_suspicious=request.POST.getlist("accept"),
            actor=f"user:{request.user.get_username()}",
            request_id=request_id(request),
        )
    except ImportRefused as refused:
        return _shown(request, context, refused.review, sealed, refused.message)
    told = ngettext(
        "%(count)s price was imported.", "%(count)s prices were imported.", len(made)
    )
    if not made:
        told = gettext("The book said all of this already: it is confirmed.")
    messages.success(request, told % {"count": len(made)})
    return HttpResponseRedirect(reverse(done_url))


def _seal(content: bytes, unit: str, source: str) -> str:
    given = [base64.b64encode(content).decode(), unit, source]
    return signing.dumps(given, salt=_SALT, compress=True)


def _rows(sealed: str) -> list[ProposedPrice]:
    """Return the rows of a sealed file. Raises FileRefused, or BadSignature."""
    content, unit, source = signing.loads(sealed, salt=_SALT, max_age=_HOUR_S)
    return read_file(base64.b64decode(content), unit=unit, source=source)
