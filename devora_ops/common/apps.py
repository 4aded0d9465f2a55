"""The app of what every floor needs: users, teams, audit, outbox."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    """Labelled `ops`, because `common` says nothing in an admin or a table name."""

    name = "devora_ops.common"
    label = "ops"
    verbose_name = _("People and teams")
    default_auto_field = "django.db.models.BigAutoField"
