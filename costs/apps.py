"""The ledger floor: prices, attempts, budgets, rollups."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CostsConfig(AppConfig):
    """Owns every number."""

    name = "costs"
    verbose_name = _("Costs")
    default_auto_field = "django.db.models.BigAutoField"
