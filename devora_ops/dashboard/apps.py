"""The dashboard's app: pages, charts and live updates over every other app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    """The topmost floor: it reads every app, and none of them knows it."""

    name = "devora_ops.dashboard"
    label = "dashboard"
    verbose_name = _("Dashboard")
