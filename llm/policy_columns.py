"""The columns of a route that say how long its tries may take, and what follows one."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from llm.policy import LONGEST_S, MOST_ATTEMPTS, SHORTEST_S, USUAL


def empty_or_within(name: str, least: float, most: float) -> models.Q:
    """Return the condition of a column that may be empty."""
    return models.Q(**{f"{name}__isnull": True}) | models.Q(
        **{f"{name}__range": (least, most)}
    )


def _seconds(label: Any, help_text: Any) -> "models.FloatField[Any, Any]":
    return models.FloatField(
        label,
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_S), MaxValueValidator(LONGEST_S)],
        help_text=help_text,
    )


class PolicyColumns(models.Model):
    """A policy: deadlines of one try, in seconds; what is empty is as `llm.policy` says."""

    connect_s = _seconds(
        _("connect (s)"), _("Until the connection stands; 5 when empty.")
    )
    first_byte_s = _seconds(
        _("first byte (s)"),
        _("Until a stream begins; 60 when empty. Other answers have the total alone."),
    )
    between_chunks_s = _seconds(
        _("between chunks (s)"),
        _("From one piece of a stream to the next; 120 when empty."),
    )
    total_s = _seconds(_("total (s)"), _("Of one try; 600 when empty, and at most."))
    max_attempts = models.PositiveSmallIntegerField(
        _("attempts"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_ATTEMPTS)],
        help_text=_("Of a call, over all targets; 3 when empty, and at most."),
    )
    allow_duplicates = models.BooleanField(
        _("allow duplicates"),
        default=False,
        db_default=False,
        help_text=_(
            "Ask again also when the provider may have worked already: after a broken "
            "connection, a time-out, a 502 or a 504. A call may then be paid for twice."
        ),
    )
    larger_when_too_long = models.BooleanField(
        _("go to a larger model"),
        default=False,
        db_default=False,
        help_text=_(
            "When a provider says that a request is too long, ask the next model whose "
            "context window is declared larger. It may cost more."
        ),
    )

    class Meta:
        abstract = True
        # The sweeper settles the hold of a try that lasts longer.
        constraints = [
            models.CheckConstraint(
                condition=empty_or_within("connect_s", SHORTEST_S, LONGEST_S)
                & empty_or_within("first_byte_s", SHORTEST_S, LONGEST_S)
                & empty_or_within("between_chunks_s", SHORTEST_S, LONGEST_S)
                & empty_or_within("total_s", SHORTEST_S, LONGEST_S),
                name="llm_route_deadlines",
            ),
            models.CheckConstraint(
                condition=empty_or_within("max_attempts", 1, MOST_ATTEMPTS),
                name="llm_route_attempts",
            ),
        ]

    def clean(self) -> None:
        """Refuse a deadline that comes after the end of the try."""
        total_s = self.total_s or USUAL.total_s
        late = {
            name: _("A try ends after %(total)g seconds: enter no more than that.")
            for name in ("connect_s", "first_byte_s", "between_chunks_s")
            if (getattr(self, name) or 0) > total_s
        }
        if late:
            raise ValidationError(
                {
                    name: ValidationError(text, params={"total": total_s})
                    for name, text in late.items()
                }
            )
