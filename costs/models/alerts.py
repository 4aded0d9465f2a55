"""What budgets crossed, and hours that were unusual."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from costs.models.budgets import Budget
from costs.models.columns import slug, usd


class AlertKind(models.TextChoices):
    """What was crossed: a budget's step, by spend or by forecast, or what is usual."""

    ACTUAL = "actual", _("Spent")
    FORECAST = "forecast", _("Forecast")
    ANOMALY = "anomaly", _("Unusual")


class Alert(models.Model):
    """A step of a budget that was crossed: once for each limit in each period.

    Its budget may be gone; what was crossed stays. A step that was found together with a
    higher one is told in the higher one's message. An anomaly is of an hour, of an agent
    or of all, without a budget: its limit is the most that would pass for usual.
    """

    budget = models.ForeignKey(
        Budget,
        on_delete=models.SET_NULL,
        null=True,
        related_name="alerts",
        verbose_name=_("budget"),
    )
    name = models.CharField(_("about"), max_length=100, blank=True)
    agent = slug(_("agent"), db_default="")
    kind = models.CharField(_("kind"), max_length=8, choices=AlertKind.choices)
    step = models.PositiveSmallIntegerField(_("step (%)"))
    period_start = models.DateTimeField(_("period from"))
    period_end = models.DateTimeField(_("period to"), null=True)
    limit_usd = usd(_("limit"))
    spent_usd = usd(_("spent"))
    projected_usd = usd(_("forecast"), null=True)
    usual_usd = usd(_("usually"), null=True)
    crossed_at = models.DateTimeField(_("time"))
    told_with = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="lower",
        verbose_name=_("told with"),
    )

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "period_start", "kind", "step", "limit_usd"],
                name="costs_alert_once",
            ),
            models.UniqueConstraint(
                fields=["agent", "period_start"],
                condition=models.Q(kind="anomaly"),
                name="costs_alert_anomaly_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.step} %"


class AlertMute(models.Model):
    """Until when nobody is told of an agent's unusual hours; no agent is all together."""

    agent = slug(_("agent"), unique=True)
    until = models.DateTimeField(_("no alerts until"))

    class Meta:
        verbose_name = _("muted alerts")
        verbose_name_plural = _("muted alerts")

    def __str__(self) -> str:
        return f"{self.agent} {self.until:%Y-%m-%d}"
