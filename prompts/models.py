"""Prompts, their immutable versions, and the labels that point at them."""

from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Prompt(models.Model):
    """A named prompt; what it says is in its versions."""

    slug = models.SlugField(
        _("slug"),
        max_length=64,
        unique=True,
        help_text=_("Agents call it as model “prompt:slug”."),
    )
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="prompts_prompt_name_unique",
                violation_error_message=_("A prompt with this name exists."),
            )
        ]

    def __str__(self) -> str:
        return self.slug


class PromptVersion(models.Model):
    """A release: everything that determines an answer, in one immutable row.

    The database refuses to change a version, and deletes one only with its prompt (the
    foreign key cascades there, which Django does not know of).
    variables: name → {type, required, default, example}. retrieval: {top_k}.
    cache: {enabled, ttl_s}. The corpus is a slug, so a version outlives it.
    """

    prompt = models.ForeignKey(
        Prompt,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="versions",
        verbose_name=_("prompt"),
    )
    number = models.PositiveIntegerField(_("version"))
    messages = models.JSONField(_("messages"))
    variables = models.JSONField(_("variables"), default=dict)
    model = models.CharField(
        _("model"), max_length=200, help_text=_("A route, or provider/model.")
    )
    parameters = models.JSONField(_("parameters"), default=dict)
    response_schema = models.JSONField(_("response schema"), null=True)
    corpus = models.SlugField(_("corpus"), max_length=64, blank=True, db_index=False)
    retrieval = models.JSONField(_("retrieval"), default=dict)
    cache = models.JSONField(_("cache policy"), default=dict)
    note = models.CharField(_("what changed"), max_length=200, blank=True)
    created_by = models.CharField(_("made by"), max_length=200)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "number"], name="prompts_version_number_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1), name="prompts_version_number_from_1"
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class LabelQuerySet(models.QuerySet["Label"]):
    """Labels as people ask for them."""

    def numbers(self) -> dict[str, int]:
        """Return name → version number."""
        return dict(self.order_by("name").values_list("name", "version__number"))


class Label(models.Model):
    """A movable pointer at a version: `production`, `staging`, or one of your own."""

    prompt = models.ForeignKey(
        Prompt,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="labels",
        verbose_name=_("prompt"),
    )
    name = models.CharField(_("label"), max_length=64)
    version = models.ForeignKey(
        PromptVersion,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="labels",
        verbose_name=_("version"),
    )
    moved_by = models.CharField(_("moved by"), max_length=200)
    moved_at = models.DateTimeField(_("moved"), auto_now=True)

    objects: Any = LabelQuerySet.as_manager()

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "name"], name="prompts_label_name_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} → v{self.version.number}"
