"""Experiments over prompt versions: the question, its candidates, what came of it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from prompts.models import Prompt, PromptVersion


class Status(models.TextChoices):
    """Where an experiment is in its life; `done` has a promoted winner."""

    DRAFT = "draft", _("Draft")
    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped")
    DONE = "done", _("Done")


class Metric(models.TextChoices):
    """What variants are compared by."""

    SUCCESS = "success", _("Success")
    SCORE = "score", _("Score")
    LATENCY = "latency", _("Latency")
    COST = "cost", _("Cost")


class Experiment(models.Model):
    """Which version of a prompt does better, asked of the units that call it.

    salt: what the assignment is hashed with; it never changes once units were
    assigned. unit: what a unit is, in words (`user`, `session`, `request`).
    """

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    prompt = models.ForeignKey(
        Prompt,
        on_delete=models.PROTECT,
        related_name="experiments",
        verbose_name=_("prompt"),
    )
    hypothesis = models.TextField(_("hypothesis"), blank=True)
    status = models.CharField(
        _("status"),
        max_length=8,
        choices=Status.choices,
        default=Status.DRAFT,
        editable=False,
    )
    unit = models.CharField(_("unit"), max_length=64, default="user")
    salt = models.CharField(max_length=64, editable=False)
    primary_metric = models.CharField(
        _("primary metric"),
        max_length=64,
        choices=Metric.choices,
        default=Metric.SUCCESS,
    )
    guardrails = models.JSONField(_("guardrails"), default=list, blank=True)
    min_days = models.PositiveSmallIntegerField(_("minimum days"), default=7)
    winner = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    stopped_at = models.DateTimeField(_("stopped"), null=True, editable=False)

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-id"]
        constraints = [
            # Two at once would each spoil the other's answer.
            models.UniqueConstraint(
                fields=["prompt"],
                condition=models.Q(status="running"),
                name="experiments_one_running",
            )
        ]

    def __str__(self) -> str:
        return self.slug


class Variant(models.Model):
    """One candidate version and its share of the units."""

    experiment = models.ForeignKey(
        Experiment,
        on_delete=models.CASCADE,
        related_name="variants",
        verbose_name=_("experiment"),
    )
    name = models.CharField(_("name"), max_length=64)
    version = models.ForeignKey(
        PromptVersion,
        on_delete=models.PROTECT,
        related_name="variants",
        verbose_name=_("version"),
    )
    weight = models.IntegerField(_("weight"), default=1)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "name"], name="experiments_variant_name_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(weight__gte=0, weight__lte=1_000_000),
                name="experiments_variant_weight",
                violation_error_message=_("A weight is from 0 to 1,000,000."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Exposure(models.Model):
    """A unit saw a variant for the first time; kept as a hash, not by its name."""

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="exposures"
    )
    unit_hash = models.BigIntegerField()
    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, related_name="exposures"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "unit_hash"], name="experiments_exposure_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.unit_hash}"


class Outcome(models.Model):
    """What came of one unit or one call, as an agent reported it."""

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="outcomes"
    )
    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, related_name="outcomes"
    )
    unit_hash = models.BigIntegerField(null=True)
    call_id = models.UUIDField(null=True)
    metric = models.CharField(max_length=64)
    value = models.FloatField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(unit_hash__isnull=True, call_id__isnull=False)
                | models.Q(unit_hash__isnull=False, call_id__isnull=True),
                name="experiments_outcome_of_one",
            )
        ]

    def __str__(self) -> str:
        return f"{self.metric} = {self.value}"
