"""The ledger's tables: what calls cost and took, what may still be spent.

Facts name their dimensions by slug, without foreign keys upward, so history stays true
when a model or a prompt is deleted. Calls and attempts are partitioned by month on the
range of their UUIDv7 id, which Django does not know of: migrations make these tables
in SQL.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from costs.pricing import Rates, ScheduleInvalid, make_price


def _slug(label: Any, **options: Any) -> "models.TextField[str, str]":
    return models.TextField(label, default="", blank=True, **options)


def _usd(label: Any = None, **options: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(label, max_digits=20, decimal_places=9, **options)


def _rate(label: Any) -> "models.DecimalField[Any, Any]":
    """A price of one unit. Prices go below nine places, so the column has twelve more."""
    return models.DecimalField(
        label, max_digits=30, decimal_places=18, null=True, blank=True
    )


class CallStatus(models.TextChoices):
    """How a call ended, as its caller saw it."""

    OK = "ok", _("OK")
    ERROR = "error", _("Error")
    TIMEOUT = "timeout", _("Timed out")
    RATE_LIMITED = "rate_limited", _("Rate limited")
    BLOCKED = "blocked", _("Blocked")
    CACHED = "cached", _("From cache")


class AttemptState(models.TextChoices):
    """What became of the money set aside for an attempt."""

    SETTLED = "settled", _("Settled")
    RELEASED = "released", _("Released")
    UNKNOWN = "unknown", _("Unknown")


class Anomaly(models.TextChoices):
    """What is odd about the usage, or the bill, that a provider told."""

    COUNT_INVALID = "count_invalid", _("No valid count")
    TOTAL_DIFFERS = "total_differs", _("Total is not the sum")
    CACHED_ABOVE_INPUT = "cached_above_input", _("Cached above input")
    WRITES_ABOVE_TOTAL = "writes_above_total", _("Writes above total")
    AUDIO_ABOVE_TOTAL = "audio_above_total", _("Audio above total")
    REASONING_ABOVE_OUTPUT = (
        "reasoning_above_output",
        _("Reasoning above output"),
    )
    USAGE_ABOVE_BOUNDS = "usage_above_bounds", _("Above its bounds")
    BILL_MISSING = "bill_missing", _("No cost told")
    BILL_INVALID = "bill_invalid", _("Cost invalid")
    BILL_ABOVE_BOUNDS = "bill_above_bounds", _("Cost absurd")
    BILL_DIFFERS = "bill_differs", _("Far from our price")


class Dimensions(models.Model):
    """Who asked for what: the columns that calls and attempts share."""

    team = _slug(_("team"))
    agent = _slug(_("agent"))
    end_user = _slug(_("end user"))
    key = _slug(_("API key"))
    model = _slug(_("model"))
    prompt = _slug(_("prompt"))
    prompt_version = models.IntegerField(_("version"), default=0)
    experiment = _slug(_("experiment"))
    variant = _slug(_("variant"))

    class Meta:
        abstract = True


class Call(Dimensions):
    """One authenticated request as it was served, refusals and cache hits included."""

    id = models.UUIDField(primary_key=True)
    finished_at = models.DateTimeField(_("ended"))
    requested = _slug(_("requested model"))
    status = models.TextField(_("status"), choices=CallStatus.choices)
    http_status = models.SmallIntegerField(_("HTTP status"))
    error_code = _slug(_("error code"))
    stream = models.BooleanField(_("streamed"), default=False)
    cache = models.TextField(_("cache"), default="off")
    input_tokens = models.IntegerField(_("tokens in"), default=0)
    cached_tokens = models.IntegerField(_("read from cache"), default=0)
    output_tokens = models.IntegerField(_("tokens out"), default=0)
    cost_usd = _usd(_("cost"), null=True)
    saved_usd = _usd(_("saved"), default=0)
    estimated = models.BooleanField(_("estimated"), default=False)
    latency_ms = models.FloatField(_("latency"))
    ttft_ms = models.FloatField(_("first token"), null=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    request_id = _slug(_("request id"))
    anomaly = _slug(_("anomaly"), choices=Anomaly.choices)

    class Meta:
        managed = False
        db_table = "costs_call"
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.id)


class Attempt(Dimensions):
    """One upstream try of a call: the narrow fact that money hangs on.

    counters: the budget counters that it was charged to. cost_usd is NULL when the
    model had no price and the provider told no cost; book_usd is what our prices say of
    a cost that it told.
    """

    id = models.UUIDField(primary_key=True)
    call_id = models.UUIDField(_("call"))
    number = models.SmallIntegerField(_("number"))
    provider = _slug(_("provider"))
    state = models.TextField(_("state"), choices=AttemptState.choices)
    settled_at = models.DateTimeField(_("settled"))
    http_status = models.SmallIntegerField(_("HTTP status"), null=True)
    error_code = _slug(_("error code"))
    input_tokens = models.IntegerField(_("tokens in"), default=0)
    cache_read_tokens = models.IntegerField(_("read from cache"), default=0)
    cache_write_tokens = models.IntegerField(_("written to cache"), default=0)
    output_tokens = models.IntegerField(_("tokens out"), default=0)
    reasoning_tokens = models.IntegerField(_("reasoning tokens"), default=0)
    raw_usage = models.JSONField(_("usage as reported"), null=True)
    price_id = models.BigIntegerField(_("price"), null=True)
    cost_usd = _usd(_("cost"), null=True)
    estimated = models.BooleanField(_("estimated"), default=False)
    latency_ms = models.FloatField(_("latency"))
    ttft_ms = models.FloatField(_("first token"), null=True)
    route = _slug(_("route"))
    probability = models.FloatField(_("probability"), null=True)
    anomaly = _slug(_("anomaly"), choices=Anomaly.choices)
    book_usd = _usd(_("by our prices"), null=True)

    class Meta:
        managed = False
        db_table = "costs_attempt"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.id)


class Score(models.Model):
    """How good a call's answer was, 0 to 10, as whoever judged it last said."""

    call_id = models.UUIDField(primary_key=True)
    value = models.DecimalField(_("score"), max_digits=5, decimal_places=3)
    scored_at = models.DateTimeField(_("scored"))
    scored_by = models.TextField(_("scored by"))

    class Meta:
        managed = False
        db_table = "costs_score"
        verbose_name = _("score")
        verbose_name_plural = _("scores")

    def __str__(self) -> str:
        return f"{self.call_id}: {self.value}"


class Price(models.Model):
    """What a model charges from a moment on; never edited, only superseded.

    Rates are USD per token; `schedule` holds what replaces them: context tiers,
    service tiers and regional multipliers, in the shape of the price table's rows.
    """

    model = models.TextField(_("model"), help_text=_("provider/name"))
    valid_from = models.DateTimeField(_("valid from"))
    input = _rate(_("input"))
    output = _rate(_("output"))
    cache_read = _rate(_("cached read"))
    cache_write_5m = _rate(_("cache write, 5 minutes"))
    cache_write_1h = _rate(_("cache write, 1 hour"))
    input_audio = _rate(_("audio input"))
    output_audio = _rate(_("audio output"))
    web_search = _rate(_("web search"))
    per_request = _rate(_("per request"))
    schedule = models.JSONField(_("tiers"), default=dict, blank=True)
    source = models.CharField(_("source"), max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("price book")
        ordering = ["model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "valid_from"], name="costs_price_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.valid_from:%Y-%m-%d})"

    def clean(self) -> None:
        """Refuse a schedule that the gateway could not read."""
        rates = dict.fromkeys((*Rates.__slots__, "web_search", "per_request"))
        try:
            make_price({"id": 0, "schedule": self.schedule, **rates})
        except ScheduleInvalid as error:
            raise ValidationError({"schedule": str(error)}) from error


class BudgetPeriod(models.TextChoices):
    """How long a budget's limit lasts before it starts anew."""

    DAY = "day", _("Day")
    WEEK = "week", _("Week")
    MONTH = "month", _("Month")
    QUARTER = "quarter", _("Quarter")
    TOTAL = "total", _("Total")


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


class Counter(models.Model):
    """What a budget has spent and set aside in one period; the lock money waits on."""

    budget = models.ForeignKey(
        Budget, on_delete=models.CASCADE, related_name="counters"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(null=True)
    spent = _usd(default=0, db_default=0)
    held = _usd(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "period_start"], name="costs_counter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} {self.period_start:%Y-%m-%d}"
