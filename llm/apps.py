"""The floor of agents, keys, providers, models, routes and the gateway."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LlmConfig(AppConfig):
    """Owns behaviour and content; numbers are the costs app's."""

    name = "llm"
    verbose_name = _("Models and agents")
    default_auto_field = "django.db.models.BigAutoField"
