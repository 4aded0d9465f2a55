"""What calls cost and took: written once by the ledger, never changed.

Calls and attempts are partitioned by month on the range of their UUIDv7 id, which
Django does not know of: migrations make these tables in SQL.
"""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from costs.models.columns import slug, usd


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


class BillPart(models.TextChoices):
    """Which part of a bill an attempt belongs to."""

    ANSWERS = "answers", _("First answers")
    RETRIES = "retries", _("Retries and fallbacks")
    EXPERIMENTS = "experiments", _("Experiments")
    EMBEDDINGS = "embeddings", _("Embeddings")


# The first that fits. Embeddings have no column of their own; what their models answer
# with is vectors, so that tokens went in and none came out.
BILL_PART: Final = models.Case(
    models.When(
        models.Q(number__gt=1) | ~models.Q(error_code=""),
        then=models.Value(BillPart.RETRIES.value),
    ),
    models.When(
        ~models.Q(experiment=""), then=models.Value(BillPart.EXPERIMENTS.value)
    ),
    models.When(
        input_tokens__gt=0,
        output_tokens=0,
        then=models.Value(BillPart.EMBEDDINGS.value),
    ),
    default=models.Value(BillPart.ANSWERS.value),
    output_field=models.TextField(),
)


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

    team = slug(_("team"))
    agent = slug(_("agent"))
    end_user = slug(_("end user"))
    key = slug(_("API key"))
    model = slug(_("model"))
    prompt = slug(_("prompt"))
    prompt_version = models.IntegerField(_("version"), default=0)
    experiment = slug(_("experiment"))
    variant = slug(_("variant"))

    class Meta:
        abstract = True


class Call(Dimensions):
    """One authenticated request as it was served, refusals and cache hits included.

    fingerprint: the same for calls that asked for the same; NULL where nobody took it.
    """

    id = models.UUIDField(primary_key=True)
    finished_at = models.DateTimeField(_("ended"))
    requested = slug(_("requested model"))
    status = models.TextField(_("status"), choices=CallStatus.choices)
    http_status = models.SmallIntegerField(_("HTTP status"))
    error_code = slug(_("error code"))
    stream = models.BooleanField(_("streamed"), default=False)
    cache = models.TextField(_("cache"), default="off")
    input_tokens = models.IntegerField(_("tokens in"), default=0)
    cached_tokens = models.IntegerField(_("read from cache"), default=0)
    output_tokens = models.IntegerField(_("tokens out"), default=0)
    cost_usd = usd(_("cost"), null=True)
    saved_usd = usd(_("saved"), default=0)
    estimated = models.BooleanField(_("estimated"), default=False)
    latency_ms = models.FloatField(_("latency"))
    ttft_ms = models.FloatField(_("first token"), null=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    request_id = slug(_("request id"))
    anomaly = slug(_("anomaly"), choices=Anomaly.choices)
    fingerprint = models.BigIntegerField(null=True)

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
    provider = slug(_("provider"))
    state = models.TextField(_("state"), choices=AttemptState.choices)
    settled_at = models.DateTimeField(_("settled"))
    http_status = models.SmallIntegerField(_("HTTP status"), null=True)
    error_code = slug(_("error code"))
    input_tokens = models.IntegerField(_("tokens in"), default=0)
    cache_read_tokens = models.IntegerField(_("read from cache"), default=0)
    cache_write_tokens = models.IntegerField(_("written to cache"), default=0)
    output_tokens = models.IntegerField(_("tokens out"), default=0)
    reasoning_tokens = models.IntegerField(_("reasoning tokens"), default=0)
    raw_usage = models.JSONField(_("usage as reported"), null=True)
    price_id = models.BigIntegerField(_("price"), null=True)
    cost_usd = usd(_("cost"), null=True)
    estimated = models.BooleanField(_("estimated"), default=False)
    latency_ms = models.FloatField(_("latency"))
    ttft_ms = models.FloatField(_("first token"), null=True)
    route = slug(_("route"))
    probability = models.FloatField(_("probability"), null=True)
    anomaly = slug(_("anomaly"), choices=Anomaly.choices)
    book_usd = usd(_("by our prices"), null=True)

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
