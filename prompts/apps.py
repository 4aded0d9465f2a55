"""The floor of prompts: named, versioned, labelled."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PromptsConfig(AppConfig):
    """Owns what is said to a model, and with which settings."""

    name = "prompts"
    verbose_name = _("Prompts")
    default_auto_field = "django.db.models.BigAutoField"
