"""The page that checks a provider's invoice against the ledger; nothing is stored."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from costs.bill_links import between
from costs.invoice_csv import MOST_BYTES, read_invoice
from costs.invoices import Report, compare_invoice, day_in
from costs.reconciling import Cause, Comparison
from devora_ops.common import formats
from devora_ops.common.errors import DevoraError
from devora_ops.common.time_zones import UnknownTimeZone, time_zone
from devora_ops.dashboard.sessions import PERMISSION

log = logging.getLogger("[Web]")

_SHOWN: Final = 500
_CAUSES: Final[dict[Cause, str | Promise]] = {
    "": "",
    "model_unknown": gettext_lazy("We have recorded no call of this model."),
    "unpriced": gettext_lazy("Some attempts have no price here."),
    "time_zone": gettext_lazy("A day beside it makes up for this: another time zone?"),
    "estimated": gettext_lazy("The usage of some attempts is an estimate."),
    "unexplained": gettext_lazy("Nothing that we know explains it."),
}


class InvoiceForm(forms.Form):
    """Which file, and whose days its lines are."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV with the columns date, model, amount_usd and, if you like, provider; "
            "at most 5 MB and 92 days."
        ),
        widget=UnfoldAdminFileFieldWidget,
        allow_empty_file=True,
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        initial="UTC",
        max_length=64,
        help_text=gettext_lazy(
            "Of the invoice's days; most providers count them in UTC."
        ),
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_time_zone(self) -> ZoneInfo:
        """Return the zone."""
        try:
            return time_zone(self.cleaned_data["time_zone"])
        except UnknownTimeZone:
            raise forms.ValidationError(
                _("Name a time zone such as Europe/Paris."), code="invalid"
            ) from None


@dataclass(frozen=True, slots=True)
class Row:
    """A day of a model in words; url: the attempts behind it, where there are any."""

    day: str
    model: str
    ours: str
    theirs: str
    difference: str
    why: str | Promise
    url: str


@require_http_methods(["GET", "POST"])
def invoices(request: HttpRequest) -> HttpResponse:
    """Ask for an invoice, and show where it differs from what was recorded."""
    if not request.user.has_perm(PERMISSION):
        return _page(request, {"forbidden": True}, status=403)
    form = InvoiceForm(request.POST or None, request.FILES or None)
    if not form.is_valid():
        return _page(request, {"form": form})
    zone: ZoneInfo = form.cleaned_data["time_zone"]
    try:
        lines = read_invoice(form.cleaned_data["file"].read(MOST_BYTES + 1))
        report = compare_invoice(lines, zone=zone)
    except DevoraError as refusal:
        form.add_error("file", refusal.message)
        return _page(request, {"form": form})
    except Error:  # the form still works, and the next try may
        log.exception("an invoice could not be compared")
        form.add_error(None, _("The database cannot be asked right now."))
        return _page(request, {"form": form}, status=503)
    return _page(request, {"form": form, **_in_words(report, zone)})


def _page(
    request: HttpRequest, more: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("Check an invoice"),
        **more,
    }
    return render(request, "dashboard/invoices.html", context, status=status)


def _in_words(report: Report, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "summary": _summary(report),
        "tables": list(_tables(report, zone)),
    }


def _summary(report: Report) -> str:
    values = {
        "first": date_format(report.first_day, "SHORT_DATE_FORMAT"),
        "last": date_format(report.last_day, "SHORT_DATE_FORMAT"),
        "theirs": formats.money(report.theirs_usd),
        "ours": formats.money(report.ours_usd),
        "difference": formats.money(abs(report.difference_usd)),
    }
    if not report.difference_usd:
        told = _("%(first)s – %(last)s: both say %(theirs)s.")
    elif report.difference_usd > 0:
        told = _(
            "%(first)s – %(last)s: the invoice says %(theirs)s, %(difference)s more than "
            "the %(ours)s that we have recorded."
        )
    else:
        told = _(
            "%(first)s – %(last)s: the invoice says %(theirs)s, %(difference)s less than "
            "the %(ours)s that we have recorded."
        )
    return told % values


def _tables(report: Report, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """Yield the lines that differ, the furthest apart first, then those that match."""
    apart = sorted(report.unmatched, key=lambda row: -abs(row.difference_usd))
    for name, title, found in (
        (
            "unmatched",
            ngettext("%(n)s line differs", "%(n)s lines differ", len(apart)),
            apart,
        ),
        (
            "matched",
            ngettext(
                "%(n)s line matches to the cent",
                "%(n)s lines match to the cent",
                len(report.matched),
            ),
            report.matched,
        ),
    ):
        yield {
            "name": name,
            "title": title % {"n": formats.count(len(found))},
            "rows": _rows(found, zone),
            "hidden": max(0, len(found) - _SHOWN),
        }


def _rows(found: Sequence[Comparison], zone: ZoneInfo) -> list[Row]:
    return [
        Row(
            day=date_format(each.day, "SHORT_DATE_FORMAT"),
            model=each.model,
            ours=formats.money(each.ours_usd),
            theirs=formats.money(each.theirs_usd),
            difference=formats.money(each.difference_usd),
            why=_CAUSES[each.cause],
            url=_attempts(each, zone) if each.ours_usd is not None else "",
        )
        for each in found[:_SHOWN]
    ]


def _attempts(each: Comparison, zone: ZoneInfo) -> str:
    asked = {"since": between(*day_in(zone, each.day)), "model": each.model}
    return f"{reverse('admin:costs_attempt_changelist')}?{urlencode(asked)}"
