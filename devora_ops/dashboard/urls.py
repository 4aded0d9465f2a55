"""The dashboard's pages and the panels they are made of."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.urls import path

from devora_ops.dashboard import mail, views
from devora_ops.dashboard.explain import explain
from devora_ops.dashboard.invoices import invoices
from devora_ops.dashboard.what_if import what_if


def _page(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only staff in, to their own time zone, and keep answers out of caches."""
    return admin.site.admin_view(view)


app_name = "dashboard"
urlpatterns = [
    path("", _page(views.overview), name="overview"),
    path("overview/<slug:name>/", _page(views.panel), name="panel"),
    path("overview/facet/<slug:dimension>/", _page(views.facet), name="facet"),
    path("overview/<slug:name>.csv", _page(views.export), name="export"),
    path("digest/", _page(mail.digest), name="digest"),
    path("digest/stop/<str:token>/", mail.stop_digests, name="digest-stop"),
    path("alerts/mute/<str:token>/", mail.mute, name="mute"),
    path("costs/explain/", _page(explain), name="explain"),
    path("costs/invoices/", _page(invoices), name="invoices"),
    path("costs/what-if/", _page(what_if), name="what-if"),
    path("language/", views.language, name="language"),
    path("favicon.ico", views.favicon, name="favicon"),
]
