"""What budgets crossed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from costs.models.budgets import Budget
from costs.models.columns import usd


class AlertKind(models.TextChoices):
    """What was crossed: the spend itself, or where it is heading."""

    ACTUAL = "actual", _("Spent")
    FORECAST = "forecast", _("Forecast")


class Alert(models.Model):
    """A step of a budget that was crossed: once for each limit in each period.

    Its budget may be gone; what was crossed stays.
    """

    budget = models.ForeignKey(
        Budget,
        on_delete=models.SET_NULL,
        null=True,
        related_name="alerts",
        verbose_name=_("budget"),
    )
    name = models.CharField(_("budget"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=AlertKind.choices)
    step = models.PositiveSmallIntegerField(_("step (%)"))
    period_start = models.DateTimeField(_("period from"))
    period_end = models.DateTimeField(_("period to"), null=True)
    limit_usd = usd(_("limit"))
    spent_usd = usd(_("spent"))
    projected_usd = usd(_("forecast"), null=True)
    crossed_at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "period_start", "kind", "step", "limit_usd"],
                name="costs_alert_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.step} %"
