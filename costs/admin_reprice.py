"""The pages of a repricing in the admin: which calls, what they would cost, and yes.

What is confirmed is what was shown: should another sum come out meanwhile, nothing is
posted and that one is shown.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from costs.adjusting import MOST_AT_ONCE, Repricing, reprice
from costs.models import Price
from costs.repricing import OUTCOMES, Outcome
from devora_ops.common.errors import Unprocessable
from devora_ops.common.rest.middleware import request_id

_SALT: Final = "costs.reprice"
_HOUR_S: Final = 3600
_FIRST_DAY: Final = dt.date(2000, 1, 1)
_LAST_DAY: Final = dt.date(2199, 12, 31)
_WORDS: Final[dict[Outcome, str | Promise]] = {
    "repriced": _("Cost something else by today's book"),
    "same": _("Cost the same"),
    "billed": _("Were billed by the provider itself, and stay"),
    "unknown": _("Have a usage that nobody knows, and stay"),
    "unexplained": _("Have a cost that does not follow from what is stored, and stay"),
    "no_price": _("Have no price in the book for their time, and stay"),
}


class _DayWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """A day as browsers ask for it."""

    input_type = "date"


class _DayField(forms.DateField):
    """A day, written as browsers send it."""

    widget = _DayWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], **options)

    def clean(self, value: Any) -> dt.date:
        """Return the day; refuses one that nobody means."""
        day: dt.date = super().clean(value)
        if not _FIRST_DAY <= day <= _LAST_DAY:
            raise forms.ValidationError(
                gettext("That is too far from today."), code="invalid"
            )
        return day


class RepriceForm(forms.Form):
    """Which calls: those to a model that began on some days."""

    model = forms.CharField(
        label=_("Model"),
        max_length=300,
        help_text=_("provider/name"),
        widget=UnfoldAdminTextInputWidget,
    )
    first_day = _DayField(label=_("From"))
    last_day = _DayField(label=_("Up to and including"))

    def clean_model(self) -> str:
        """Take a model that the book has a price of."""
        name: str = self.cleaned_data["model"]
        if not Price.objects.filter(model=name).exists():
            raise forms.ValidationError(
                gettext("The price book has no price of this model."), code="invalid"
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse days in the wrong order."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and first > last:
            self.add_error("last_day", gettext("The range must begin before it ends."))
        return cleaned


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be repriced, end exclusive, and by whom."""

    model: str
    start: dt.datetime
    end: dt.datetime
    actor: str
    request_id: str

    def preview(self) -> Repricing:
        """Return what it would come to. Raises Unprocessable for too many attempts."""
        return self._run(dry_run=True)

    def post(self, difference_usd: Decimal) -> tuple[Repricing, bool]:
        """Post it if it still comes to so much; return what it is, and whether it was."""
        with transaction.atomic():
            found = self._run(dry_run=False)
            as_shown = found.difference_usd == difference_usd
            if not as_shown:
                transaction.set_rollback(True)
        return found, as_shown

    def _run(self, *, dry_run: bool) -> Repricing:
        return reprice(
            self.model,
            self.start,
            self.end,
            actor=self.actor,
            dry_run=dry_run,
            most=MOST_AT_ONCE,
            request_id=self.request_id,
        )


def reprice_view(
    request: HttpRequest, context: dict[str, Any], done_url: str
) -> HttpResponse:
    """Serve both pages. context: of the admin site. done_url: where the book is."""
    if "asked" in request.POST:
        return _confirm(request, context, done_url)
    given = request.POST or None
    form = RepriceForm(given, initial={"model": request.GET.get("model", "")[:300]})
    if form.is_valid():
        asked = _asked(request, form.cleaned_data["model"], *_days(form.cleaned_data))
        try:
            return _shown(request, context, asked, asked.preview())
        except Unprocessable as refusal:
            form.add_error("first_day", refusal.message)
    more = {
        "form": form,
        "title": gettext("Reprice calls"),
        "explanation": gettext(
            "What calls cost when they were made stays as it is; what they cost by "
            "today's price book is posted beside it. The next page shows what it comes "
            "to, and nothing is posted before."
        ),
        "submit_label": gettext("Preview"),
    }
    return TemplateResponse(request, "admin/action_form.html", {**context, **more})


def _days(given: dict[str, Any]) -> tuple[dt.datetime, dt.datetime]:
    zone = timezone.get_current_timezone()
    after = given["last_day"] + dt.timedelta(days=1)
    start, end = (
        dt.datetime.combine(day, dt.time(), tzinfo=zone)
        for day in (given["first_day"], after)
    )
    return start, end


def _asked(
    request: HttpRequest, model: str, start: dt.datetime, end: dt.datetime
) -> _Asked:
    actor = f"user:{request.user.get_username()}"
    return _Asked(model, start, end, actor, request_id(request))


def _shown(
    request: HttpRequest,
    context: dict[str, Any],
    asked: _Asked,
    found: Repricing,
    notice: str = "",
) -> HttpResponse:
    sealed = [asked.model, asked.start.isoformat(), asked.end.isoformat()]
    more = {
        "title": gettext("Reprice calls"),
        "found": found,
        "outcomes": [
            (_WORDS[name], found.outcomes[name])
            for name in OUTCOMES
            if found.outcomes[name]
        ],
        "asked": signing.dumps([*sealed, str(found.difference_usd)], salt=_SALT),
        "notice": notice,
    }
    return TemplateResponse(request, "admin/costs/reprice.html", {**context, **more})


def _confirm(
    request: HttpRequest, context: dict[str, Any], done_url: str
) -> HttpResponse:
    try:
        model, start, end, usd = signing.loads(
            request.POST["asked"], salt=_SALT, max_age=_HOUR_S
        )
    except signing.BadSignature:
        messages.error(request, gettext("The preview is too old: ask for it again."))
        return HttpResponseRedirect(request.path)
    moments = (dt.datetime.fromisoformat(each) for each in (start, end))
    asked = _asked(request, model, *moments)
    try:
        found, as_shown = asked.post(Decimal(usd))
    except Unprocessable as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect(request.path)
    if not as_shown:
        notice = gettext("It comes to something else by now; nothing was posted.")
        return _shown(request, context, asked, found, notice)
    told = ngettext(
        "%(n)s adjustment was posted.",
        "%(n)s adjustments were posted.",
        found.adjustments,
    )
    messages.success(request, told % {"n": found.adjustments})
    return HttpResponseRedirect(reverse(done_url))
