"""The price book."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from costs.models.columns import rate
from costs.pricing import ScheduleInvalid
from costs.schedule_shape import check_schedule


class Price(models.Model):
    """What a model charges from a moment on; never edited, only superseded.

    Rates are USD per token; `schedule` holds what replaces them: context tiers,
    service tiers and regional multipliers, in the shape of the price table's rows.
    confirmed_at: when an import last said the same; it changes no bill.
    """

    model = models.TextField(_("model"), help_text=_("provider/name"))
    valid_from = models.DateTimeField(_("valid from"))
    input = rate(_("input"))
    output = rate(_("output"))
    cache_read = rate(_("cached read"))
    cache_write_5m = rate(_("cache write, 5 minutes"))
    cache_write_1h = rate(_("cache write, 1 hour"))
    input_audio = rate(_("audio input"))
    output_audio = rate(_("audio output"))
    web_search = rate(_("web search"))
    per_request = rate(_("per request"))
    schedule = models.JSONField(_("tiers"), default=dict, blank=True)
    source = models.CharField(_("source"), max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, editable=False)

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
        """Refuse a schedule that the gateway could not read, or not as it is meant."""
        try:
            check_schedule(self.schedule)
        except ScheduleInvalid as error:
            raise ValidationError({"schedule": str(error)}) from error
