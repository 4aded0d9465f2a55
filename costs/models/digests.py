"""Who wants a summary of what was spent."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class DigestEvery(models.TextChoices):
    """How often a digest comes, and how much time it covers."""

    DAY = "day", _("Every day")
    WEEK = "week", _("Every week")


class Digest(models.Model):
    """A person's wish for a digest; without one, none is sent."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    every = models.CharField(_("how often"), max_length=4, choices=DigestEvery.choices)
    since = models.DateTimeField()

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")

    def __str__(self) -> str:
        return f"{self.user_id} {self.every}"
