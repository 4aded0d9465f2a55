"""The parts of the Overview: each is a request of its own and fails on its own."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import Error
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from devora_ops.common.rest.middleware import request_id
from devora_ops.dashboard import charts, feed, standing, tiles
from devora_ops.dashboard.filters import GROUPINGS, METRICS, View
from devora_ops.dashboard.links import calls_url
from devora_ops.dashboard.sessions import PERMISSION
from devora_ops.dashboard.windows import Window

Context = dict[str, Any]

log = logging.getLogger("[Dashboard]")


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page. kept_s: how long it serves everyone with the same filters."""

    name: str
    title: str | Promise
    template: str
    build: Callable[[View, Window], Context]
    kept_s: int = 15
    permission: str = PERMISSION


@dataclass(frozen=True, slots=True)
class Rendered:
    """A panel's HTML and the status of its answer."""

    html: SafeString
    status: int = 200


def render(panel: Panel, request: HttpRequest, view: View, window: Window) -> Rendered:
    """Draw a panel, or say in its place why it cannot be drawn."""
    context = {"panel": panel, "view": view, "request_id": request_id(request)}
    if not request.user.has_perm(panel.permission):
        return Rendered(_partial("dashboard/_forbidden.html", context), 403)
    try:
        return Rendered(_kept(panel, context, view, window))
    except Error:
        # Too slow, or the database is away: the other panels may still be fine.
        log.exception("panel %s failed", panel.name)
        return Rendered(_partial("dashboard/_failed.html", context), 503)


def _kept(panel: Panel, context: Context, view: View, window: Window) -> SafeString:
    if not panel.kept_s:
        return _drawn(panel, context, view, window)
    key = _key(panel, view, window)
    html: str | None = cache.get(key)
    if html is None:
        html = str(_drawn(panel, context, view, window))
        cache.set(key, html, panel.kept_s)
    return SafeString(html)


def _drawn(panel: Panel, context: Context, view: View, window: Window) -> SafeString:
    with timezone.override(window.zone):  # an address may name another than the profile
        return _partial(panel.template, context | panel.build(view, window))


def _partial(template: str, context: Mapping[str, Any]) -> SafeString:
    return render_to_string(template, dict(context))


def _key(panel: Panel, view: View, window: Window) -> str:
    parts = (panel.name, view.query(), str(window.zone), get_language() or "")
    return "panel:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()


# --- What each panel shows ----------------------------------------------------------
def _tiles(view: View, window: Window) -> Context:
    shown = tiles.tiles(tiles.read_facts(view.scope, window))
    linked = [(tile, calls_url(view, status=tile.status)) for tile in shown]
    return {"tiles": linked, "window": window}


def _cost(view: View, window: Window) -> Context:
    return {
        "chart": charts.cost_chart(view, window),
        "calls_url": calls_url(view),
        "choices": [
            (_("Split by"), "by", _options(view, "by", GROUPINGS)),
            (_("Show"), "metric", _options(view, "metric", METRICS)),
        ],
        "window": window,
    }


def _options(
    view: View, name: str, labels: Mapping[str, str | Promise]
) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "query": view.query(**{name: value}),
            "chosen": getattr(view, name) == value,
        }
        for value, label in labels.items()
    ]


def _latency(view: View, window: Window) -> Context:
    return {
        "chart": charts.latency_chart(view, window),
        "calls_url": calls_url(view, status="ok"),
        "window": window,
    }


def _standing(view: View, window: Window) -> Context:
    found = standing.budgets()
    return {
        "budgets": standing.riskiest(found),
        "more": max(0, len(found) - len(standing.riskiest(found))),
        "items": standing.attention(found),
    }


def _feed(view: View, window: Window) -> Context:
    return {
        "rows": feed.newest_calls(view.scope, charts.color_slots()),
        "calls_url": calls_url(view),
    }


PANELS: Final[dict[str, Panel]] = {
    panel.name: panel
    for panel in (
        # Pages add live calls to what they read here, so it must not lag behind them.
        Panel("tiles", _("Key figures"), "dashboard/_tiles.html", _tiles, kept_s=2),
        Panel("cost", _("Cost over time"), "dashboard/_cost.html", _cost),
        Panel("latency", _("Latency"), "dashboard/_latency.html", _latency),
        Panel(
            "standing",
            _("Attention and budgets"),
            "dashboard/_standing.html",
            _standing,
            permission="costs.view_budget",
        ),
        Panel("feed", _("Live calls"), "dashboard/_feed.html", _feed, kept_s=0),
    )
}
