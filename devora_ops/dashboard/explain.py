"""The page that explains a bill."""

import logging
from typing import Any

from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from costs.bills import explained
from devora_ops.common.errors import DevoraError
from devora_ops.common.rest.middleware import request_id
from devora_ops.dashboard import waterfall
from devora_ops.dashboard.clocks import zone_of
from devora_ops.dashboard.filters import DIMENSIONS
from devora_ops.dashboard.sessions import PERMISSION
from devora_ops.dashboard.two_periods import TwoPeriods, two_periods

log = logging.getLogger("[Web]")


@require_GET
def explain(request: HttpRequest) -> HttpResponse:
    """Show why one period cost more or less than another; all state is in the address."""
    zone = zone_of(request.user.time_zone)  # type: ignore[union-attr]
    periods = two_periods(request.GET, now=timezone.now(), zone=zone)
    status, found = _found(request, periods)
    context = {
        **admin.site.each_context(request),
        "title": _("Explain the bill"),
        "periods": periods,
        "filters": [
            (name, DIMENSIONS[name], periods.where.get(name, ""))
            for name in ("team", "agent", "model", "prompt")
        ],
        "request_id": request_id(request),
        **found,
    }
    return render(request, "dashboard/explain.html", context, status=status)


def _found(request: HttpRequest, periods: TwoPeriods) -> tuple[int, dict[str, Any]]:
    """Return the answer's status and what the page says besides its form."""
    if not request.user.has_perm(PERMISSION):
        return 403, {"forbidden": True}
    try:
        found = explained(periods.before, periods.after)
    except DevoraError as refusal:
        return refusal.status, {"refusal": refusal.message}
    except Error:  # the form still works, and the next try may
        log.exception("a bill could not be explained")
        return 503, {"refusal": _("The database cannot be asked right now.")}
    both = (found.before, found.after)
    return 200, {
        "spent": any(one.bill.total_usd for one in both),
        "caption": waterfall.caption(found, periods),
        "rows": waterfall.rows(found, periods),
        "unpriced": sum(one.unpriced for one in both),
        "estimated": sum(one.estimated for one in both),
        "json_url": _rest(periods),
    }


def _rest(periods: TwoPeriods) -> str:
    moments = {
        "before_from": periods.before.start,
        "before_to": periods.before.end,
        "from": periods.after.start,
        "to": periods.after.end,
    }
    written = {name: moment.isoformat() for name, moment in moments.items()}
    return f"{reverse('costs-spend-explain')}?{urlencode({**written, **periods.where})}"
