"""What may still be spent: budgets, what they have spent and set aside."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from costs.models.columns import usd

_WHOLE = 100
_MOST_PERCENT = 1000  # a soft budget may be overrun by far


class BudgetPeriod(models.TextChoices):
    """How long a budget's limit lasts before it starts anew."""

    DAY = "day", _("Day")
    WEEK = "week", _("Week")
    MONTH = "month", _("Month")
    QUARTER = "quarter", _("Quarter")
    TOTAL = "total", _("Total")


class BudgetStage(models.TextChoices):
    """What a budget does to calls now."""

    NONE = "none", _("Calls pass")
    WARN = "warn", _("People are warned")
    ROUTE_DOWN = "route_down", _("Calls go to a cheaper route")
    CACHE_ONLY = "cache_only", _("Only cached answers")
    BLOCK = "block", _("Calls are refused")


def usual_alert_steps() -> list[int]:
    """Return the percentages that a budget alerts at unless it says otherwise."""
    return [50, 80, 100]


class Budget(models.Model):
    """A limit over a period and a scope; an empty scope column matches everything."""

    name = models.CharField(_("name"), max_length=100)
    limit_usd = models.DecimalField(_("limit (USD)"), max_digits=20, decimal_places=9)
    period = models.CharField(
        _("period"),
        max_length=8,
        choices=BudgetPeriod.choices,
        default=BudgetPeriod.MONTH,
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    team = models.CharField(_("team"), max_length=64, blank=True, default="")
    agent = models.CharField(_("agent"), max_length=64, blank=True, default="")
    end_user = models.CharField(_("user"), max_length=256, blank=True, default="")
    model = models.CharField(_("model"), max_length=200, blank=True, default="")
    prompt = models.CharField(_("prompt"), max_length=64, blank=True, default="")
    experiment = models.CharField(
        _("experiment"), max_length=64, blank=True, default=""
    )
    hard = models.BooleanField(
        _("hard"),
        default=True,
        help_text=_("Refuse calls that could exceed the limit."),
    )
    route_down_at = models.PositiveSmallIntegerField(
        _("route down at (%)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(_MOST_PERCENT)],
        help_text=_("From this percentage of the limit on, calls go to a cheaper one."),
    )
    route_down_to = models.CharField(
        _("route down to"),
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text=_("A route, or a model as provider/name."),
    )
    cache_only_at = models.PositiveSmallIntegerField(
        _("cache only at (%)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(_MOST_PERCENT)],
        help_text=_("From this percentage on, only cached answers are given."),
    )
    alert_steps = ArrayField(
        models.PositiveSmallIntegerField(
            validators=[MinValueValidator(1), MaxValueValidator(_MOST_PERCENT)]
        ),
        verbose_name=_("alert at (%)"),
        default=usual_alert_steps,
        db_default=usual_alert_steps(),
        blank=True,
        size=10,
        help_text=_("Percentages of the limit, such as 50, 80, 100."),
    )
    alert_forecast = models.BooleanField(
        _("alert by forecast"),
        default=True,
        db_default=True,
        help_text=_("As soon as the limit will not last until the period's end."),
    )
    alert_emails = ArrayField(
        models.EmailField(),
        verbose_name=_("alert to"),
        default=list,
        db_default=[],
        blank=True,
        size=50,
        help_text=_("Addresses; every Owner's if there are none."),
    )
    alert_slack = models.BooleanField(
        _("alert in Slack"), default=True, db_default=True
    )
    snoozed_until = models.DateTimeField(
        _("no alerts until"),
        null=True,
        blank=True,
        help_text=_("What is crossed before is kept and told to nobody."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="costs_budget_name_unique",
                violation_error_message=_("A budget with this name exists."),
            ),
            models.CheckConstraint(
                condition=models.Q(limit_usd__gte=0), name="costs_budget_limit_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse steps that contradict each other, or come after the limit."""
        faults: dict[str, Any] = {}
        if self.route_down_to and self.route_down_at is None:
            faults["route_down_at"] = _("Say from which percentage on.")
        if self.route_down_at is not None and not self.route_down_to:
            faults["route_down_to"] = _("Say where calls go to.")
        for name in ("route_down_at", "cache_only_at"):
            if self.hard and (getattr(self, name) or 0) > _WHOLE:
                faults[name] = _("The limit itself refuses calls: name 100 at most.")
        if (self.route_down_at or 0) > (self.cache_only_at or _MOST_PERCENT):
            faults.setdefault(
                "cache_only_at", _("Routing down comes first: name no less than that.")
            )
        if faults:
            raise ValidationError(faults)


class Counter(models.Model):
    """What a budget has spent and set aside in one period; the lock money waits on."""

    budget = models.ForeignKey(
        Budget, on_delete=models.CASCADE, related_name="counters"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(null=True)
    spent = usd(default=0, db_default=0)
    held = usd(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "period_start"], name="costs_counter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} {self.period_start:%Y-%m-%d}"


class Hold(models.Model):
    """The worst case of an attempt that is under way, set aside until it settles.

    owner: the process that holds it. counters: those it was taken from. facts: what it
    takes to settle the attempt without its process.
    """

    attempt_id = models.UUIDField(_("attempt"), primary_key=True)
    call_id = models.UUIDField(_("call"))
    owner = models.UUIDField(_("process"))
    created_at = models.DateTimeField(_("since"))
    amount = usd(_("set aside"))
    counters = ArrayField(models.BigIntegerField())
    facts = models.JSONField()

    class Meta:
        managed = False
        db_table = "costs_hold"
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["created_at", "attempt_id"]

    def __str__(self) -> str:
        return str(self.attempt_id)
