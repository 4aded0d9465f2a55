"""The page that asks what calls would have cost: other prices, another route, the cache."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET
from rest_framework.serializers import Serializer

from costs.api.what_if import WhatIfSerializer
from devora_ops.common.errors import DevoraError
from devora_ops.common.rest.middleware import request_id
from devora_ops.dashboard import what_if_asked as asked
from devora_ops.dashboard import what_if_told as told
from devora_ops.dashboard.clocks import zone_of
from devora_ops.dashboard.filters import DIMENSIONS
from devora_ops.dashboard.sessions import PERMISSION
from devora_ops.dashboard.two_periods import TwoPeriods, two_periods
from llm.api.what_if import STRATEGIES, CacheWhatIfSerializer, RouteWhatIfSerializer
from llm.models import Model, Route

log = logging.getLogger("[Web]")

_MOST_NAMES: Final = 300
_TIMES: Final[Mapping[str, str | Promise]] = {
    "300": gettext_lazy("5 minutes"),
    "3600": gettext_lazy("1 hour"),
    "21600": gettext_lazy("6 hours"),
    "86400": gettext_lazy("1 day"),
    "604800": gettext_lazy("7 days"),
}


@dataclass(frozen=True, slots=True)
class Tab:
    """One kind of question: its form, the body it makes, and who answers."""

    label: str | Promise
    title: str | Promise
    hint: str | Promise
    form: Callable[[asked.Texts], Mapping[str, Any]]
    body: Callable[[Mapping[str, Any], TwoPeriods], asked.Body | None]
    serializer: type[Serializer[Any]]
    answer: Callable[[Any], told.Told | None]


TABS: Final[Mapping[str, Tab]] = {
    "prices": Tab(
        gettext_lazy("Prices"),
        gettext_lazy("The same usage at another price"),
        gettext_lazy("Name a model, and a price to try or a model whose price it is."),
        asked.price_form,
        asked.prices_asked,
        WhatIfSerializer,
        told.prices_told,
    ),
    "routes": Tab(
        gettext_lazy("Routes"),
        gettext_lazy("The same calls served by others"),
        gettext_lazy(
            "Name the route or the model that calls asked for, and who would have served "
            "them."
        ),
        asked.route_form,
        asked.routes_asked,
        RouteWhatIfSerializer,
        told.routes_told,
    ),
    "cache": Tab(
        gettext_lazy("Cache"),
        gettext_lazy("The same calls with the cache on"),
        gettext_lazy("Choose for how long an answer may be given again."),
        asked.cache_form,
        asked.cache_asked,
        CacheWhatIfSerializer,
        told.cache_told,
    ),
}


@require_GET
def what_if(request: HttpRequest) -> HttpResponse:
    """Show a form, and the answer once it is filled in; all state is in the address."""
    zone = zone_of(request.user.time_zone)  # type: ignore[union-attr]
    periods = two_periods(request.GET, now=timezone.now(), zone=zone)
    texts = asked.Texts(request.GET)
    name = texts.one("view")
    tab = TABS.get(name) or TABS["prices"]
    form = tab.form(texts)
    status, found = _found(request, tab, tab.body(form, periods))
    context = {
        **admin.site.each_context(request),
        "title": _("What if"),
        "periods": periods,
        "ignored": [*periods.ignored, *texts.ignored],
        "view": name if name in TABS else "prices",
        "tab": tab,
        "tabs": list(_tabs(periods)),
        "form": form,
        "filters": [
            (name, DIMENSIONS[name], periods.where.get(name, ""))
            for name in ("team", "agent", "model", "prompt")
        ],
        "request_id": request_id(request),
        **_choices(),
        **found,
    }
    return render(request, "dashboard/what_if.html", context, status=status)


def _found(
    request: HttpRequest, tab: Tab, body: asked.Body | None
) -> tuple[int, dict[str, Any]]:
    """Return the answer's status and what the page says besides its form."""
    if not request.user.has_perm(PERMISSION):
        return 403, {"forbidden": True}
    if body is None:
        return 200, {"unasked": True}
    question = tab.serializer(data=body)
    if not question.is_valid():
        return 400, {"refusals": list(_sentences(question.errors))}
    try:
        return 200, {"found": tab.answer(question)}
    except DevoraError as refusal:
        return refusal.status, {"refusals": [refusal.message]}
    except Error:  # the form still works, and the next try may
        log.exception("a what-if could not be answered")
        return 503, {
            "refusals": [
                _("The database cannot be asked right now, or not about so much.")
            ]
        }


def _sentences(errors: Any, path: str = "") -> Iterator[str]:
    """Yield each error with the field it is about."""
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from _sentences(
                inner, "" if name == "non_field_errors" else str(name)
            )
    elif isinstance(errors, list) and not all(isinstance(one, str) for one in errors):
        for inner in errors:
            yield from _sentences(inner, path)
    else:
        for error in errors:
            yield f"{path}: {error}" if path else str(error)


def _tabs(periods: TwoPeriods) -> Iterator[tuple[str, str | Promise, str]]:
    """Yield each kind of question with its address: period and filters stay."""
    days = periods.days_after
    kept = {"from": days.first.isoformat(), "to": days.last.isoformat()}
    for name, tab in TABS.items():
        query = urlencode({"view": name, **kept, **periods.where})
        yield name, tab.label, f"?{query}"


def _choices() -> dict[str, Any]:
    """Return the names and words that the forms offer."""
    models = Model.objects.filter(is_active=True).select_related("provider")
    return {
        "models": [str(model) for model in models[:_MOST_NAMES]],
        "routes": list(Route.objects.values_list("slug", flat=True)[:_MOST_NAMES]),
        "strategies": [(str(each), each.label) for each in STRATEGIES],
        "times": list(_TIMES.items()),
    }
