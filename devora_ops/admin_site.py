"""The one admin site: Unfold's frame around the admin and the dashboard."""

from unfold.sites import UnfoldAdminSite


class DevoraAdminSite(UnfoldAdminSite):
    """What `django.contrib.admin.site` is in this project."""
