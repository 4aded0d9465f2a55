"""The project's own app (commands, checks) and the admin site behind every page."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class DevoraOpsConfig(AppConfig):
    """Carries the management commands and the system checks."""

    name = "devora_ops"
    label = "devora_ops"


class AdminSiteConfig(AdminConfig):
    """`django.contrib.admin.site` is the one site; apps register plain admin classes."""

    default_site = "devora_ops.admin_site.DevoraAdminSite"
