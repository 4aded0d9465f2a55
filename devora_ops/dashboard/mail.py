"""Who is sent what: the pages behind the links in mails, and a person's digests."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminSelectWidget

from costs.alerts import digests, mutes
from costs.models import Digest, DigestEvery
from devora_ops.common.errors import NotFound
from devora_ops.common.models import User
from devora_ops.common.rest.middleware import request_id


@never_cache
@require_http_methods(["GET", "POST"])
def mute(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for how long alerts shall be quiet, and have them so."""
    try:
        what = mutes.opened(token)
    except NotFound as error:
        return _page(request, error.message, status=404)
    if request.method == "GET":
        choices = [
            (
                days,
                ngettext("For %(days)s day", "For %(days)s days", days)
                % {"days": days},
            )
            for days in mutes.DAYS
        ]
        return _page(request, what.subject, choices=choices)
    told = request.POST.get("days", "")
    days = int(told) if told.isdigit() and int(told) in (0, *mutes.DAYS) else None
    if days is None:
        return _page(request, _("Choose for how long."), status=400)
    until = mutes.mute(what, days=days, request_id=request_id(request))
    if not days:
        return _page(request, what.subject, said=_("They are sent again."))
    moment = date_format(timezone.localtime(until), "DATETIME_FORMAT")
    said = _("Nobody is told until %(moment)s.") % {"moment": moment}
    return _page(request, what.subject, said=said, undo=True)


@csrf_exempt  # mail programs post here by themselves, as RFC 8058 has it
@never_cache
@require_http_methods(["GET", "POST"])
def stop_digests(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether a person's digests shall end, and end them."""
    try:
        user = digests.stopped_by(token)
    except NotFound as error:
        return _page(request, error.message, status=404)
    if request.method == "GET":
        return _page(
            request, _("Digests of what was spent"), stop=_("Stop these digests")
        )
    digests.subscribe(
        user, "", actor=f"link sent to {user.email}", request_id=request_id(request)
    )
    return _page(request, _("You get no more digests."))


def _page(request: HttpRequest, title: str, **more: object) -> HttpResponse:
    status = more.pop("status", 200)
    context = {"title": title, **more}
    answer = render(request, "dashboard/quiet.html", context, status=status)  # type: ignore[arg-type]
    answer["Referrer-Policy"] = "no-referrer"  # the address is the permission
    return answer


class DigestForm(forms.Form):
    """How often a person wants a digest."""

    every = forms.ChoiceField(
        label=_lazy("How often"),
        choices=[("", _lazy("Never")), *DigestEvery.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


@require_http_methods(["GET", "POST"])
def digest(request: HttpRequest) -> HttpResponse:
    """Let a person choose how often digests come."""
    user: Any = request.user
    wish = Digest.objects.filter(user=user).first()
    form = DigestForm(
        request.POST or None, initial={"every": wish.every if wish else ""}
    )
    if request.method == "POST" and form.is_valid():
        digests.subscribe(
            user,
            form.cleaned_data["every"],
            actor=user.get_username(),
            request_id=request_id(request),
        )
        messages.success(request, _("Saved."))
        return redirect("dashboard:digest")
    context = {
        **admin.site.each_context(request),
        "title": _("Digest"),
        "explanation": _explanation(user),
        "form": form,
        "submit_label": _("Save"),
    }
    return render(request, "admin/action_form.html", context)


def _explanation(user: User) -> str:
    if not settings.EMAIL_URL:
        return _("No mail is sent here until EMAIL_URL names a mail server.")
    if not user.email:
        return _("Nothing can be sent to you until your account has an address.")
    values = {"address": user.email, "zone": digests.zone_of(user)}
    return (
        _(
            "At 8 in the morning (%(zone)s), to %(address)s: what was spent the day or "
            "the week before, on what, and where the month is heading. Weekly ones come "
            "on Mondays."
        )
        % values
    )
