"""The Overview: a shell that reads nothing, and the panels that fill it."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django.views.i18n import set_language

from devora_ops.common import audit
from devora_ops.common.rest.middleware import request_id
from devora_ops.dashboard import charts, panels, queries
from devora_ops.dashboard.clocks import zone_of
from devora_ops.dashboard.exports import csv_of
from devora_ops.dashboard.filters import DIMENSIONS, MENUS, View, parse
from devora_ops.dashboard.first_run import first_run
from devora_ops.dashboard.links import calls_url
from devora_ops.dashboard.panels import PANELS, Panel
from devora_ops.dashboard.sessions import PERMISSION
from devora_ops.dashboard.spans import window_of
from devora_ops.dashboard.windows import RANGES, Window

_CHARTS = {"cost": charts.cost_chart, "latency": charts.latency_chart}


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show the shell; its panels come by requests of their own."""
    view = parse(request.GET)
    context = {
        **admin.site.each_context(request),
        "title": _("Overview"),
        "view": view,
        "filters": _filters(view),
        "ranges": RANGES.values(),
        "other_range": None if view.range in RANGES else _window(request, view),
        "hidden": _hidden(view),
        "calls_url": calls_url(view),
        "chips": _chips(view),
        "panels": {
            name: _placed(panel, request, view) for name, panel in PANELS.items()
        },
        "first_run": first_run() if request.user.has_perm(PERMISSION) else None,
        "texts": _texts(),
    }
    response = render(request, "dashboard/overview.html", context)
    if request.htmx:  # type: ignore[attr-defined]
        response["HX-Push-Url"] = f"{request.path}?{view.query()}".rstrip("?")
        response["HX-Trigger-After-Swap"] = "filters-changed"
    return response


@require_GET
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with one panel."""
    if name not in PANELS:
        raise Http404
    view = parse(request.GET)
    drawn = panels.render(PANELS[name], request, view, _window(request, view))
    response = HttpResponse(drawn.html, status=drawn.status)
    response["X-Devora-Panel"] = name
    return response


@require_GET
@permission_required(PERMISSION, raise_exception=True)
def facet(request: HttpRequest, dimension: str) -> HttpResponse:
    """Answer with the values of a filter and how many calls each has."""
    if dimension not in MENUS:
        raise Http404
    view = parse(request.GET)
    found = dict(queries.facet(_window(request, view), dimension))
    chosen = view.scope.wanted(dimension)
    values = {value: found.get(value) for value in [*chosen, *found] if value}
    context = {
        "dimension": dimension,
        "values": values.items(),
        "chosen": chosen,
        "unwanted": view.scope.unwanted(dimension),
    }
    return render(request, "dashboard/_facet.html", context)


@require_GET
@permission_required(PERMISSION, raise_exception=True)
def export(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with a chart's numbers as a file."""
    if name not in _CHARTS:
        raise Http404
    view = parse(request.GET)
    span = _window(request, view)
    audit.record(
        actor=request.user.get_username(),
        action="export",
        object_type="dashboard.chart",
        object_id=name,
        after={"query": view.query()},
        request_id=request_id(request),
    )
    return csv_of(_CHARTS[name](view, span), span, name=name)


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead those who ask for the icon by its old name, such as /api/docs/'s readers."""
    return redirect(static("img/favicon.svg"), permanent=True)


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language and remember it in the profile."""
    chosen = request.POST.get("language", "")
    user = request.user
    if chosen in dict(settings.LANGUAGES) and user.is_authenticated:
        user.language = chosen
        user.save(update_fields=["language"])
    return set_language(request)


def _window(request: HttpRequest, view: View) -> Window:
    zone = zone_of(view.tz or request.user.time_zone)  # type: ignore[union-attr]
    return window_of(view, now=timezone.now(), zone=zone)


def _placed(panel: Panel, request: HttpRequest, view: View) -> dict[str, Any]:
    """Return a panel's place on the page; without scripts it is filled at once."""
    inline = request.GET.get("panels") == "inline"
    return {
        "name": panel.name,
        "title": panel.title,
        "url": reverse("dashboard:panel", args=[panel.name]),
        "html": panels.render(panel, request, view, _window(request, view)).html
        if inline
        else "",
    }


def _filters(view: View) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": label,
            "chosen": view.scope.values(name),
            "url": reverse("dashboard:facet", args=[name]),
        }
        for name, label in MENUS.items()
    ]


def _chips(view: View) -> list[dict[str, Any]]:
    zone = {"label": _("Time zone"), "value": view.tz, "query": view.query(tz="")}
    return [
        *([zone] if view.tz else []),
        *_filter_chips(view),
    ]


def _filter_chips(view: View) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "value": value.removeprefix("!"),
            "excluded": value.startswith("!"),
            "query": view.query(**{name: _without(view, name, value)}),
        }
        for name, label in DIMENSIONS.items()
        for value in view.scope.values(name)
    ]


def _hidden(view: View) -> list[tuple[str, str]]:
    """Return what the filter form keeps without showing a control for it."""
    kept = [("cmp", view.cmp), ("tz", view.tz), ("from", view.start), ("to", view.end)]
    kept += [
        (name, value)
        for name in DIMENSIONS
        if name not in MENUS
        for value in view.scope.values(name)
    ]
    return [(name, value) for name, value in kept if value]


def _without(view: View, name: str, value: str) -> list[str]:
    return [other for other in view.scope.values(name) if other != value]


def _texts() -> dict[str, str]:
    """Return what the page's scripts say."""
    return {
        "live": _("Live"),
        "paused": _("Paused"),
        "reconnecting": _("Reconnecting…"),
        "polling": _("Polling"),
        "off": _("Off"),
        "copied": _("The link is copied."),
        "newCalls": _("{n} new calls"),
        "newCall": _("1 new call"),
        "stale": _("Not refreshed since {time}"),
        "soFar": _("so far"),
    }
