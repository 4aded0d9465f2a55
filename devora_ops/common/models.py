"""People, teams, and the records that make writes traceable and repeatable."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from devora_ops.common.ids import uuid7
from devora_ops.common.roles import OWNER, ROLES, Role


class User(AbstractUser):
    """A person who signs in to the dashboard; what they may do is their group.

    language and time_zone are empty until the first login, which asks the browser.
    """

    language = models.CharField(
        _("language"),
        max_length=8,
        choices=[("", _("As the browser says")), ("en", "English"), ("fr", "Français")],
        default="",
        blank=True,
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="",
        blank=True,
        help_text=_("Empty: the browser's, taken at the next login."),
    )

    class Meta(AbstractUser.Meta):
        db_table = "ops_user"

    @property
    def role(self) -> Role | None:
        """The highest role among the person's groups; a superuser is an Owner."""
        if self.is_superuser:
            return OWNER
        held = set(self.groups.values_list("name", flat=True))
        return next((role for role in reversed(ROLES) if role in held), None)


class Team(models.Model):
    """Whom spend is attributed to. The demo's team stays outside everyone's budgets."""

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=100)
    is_demo = models.BooleanField(_("demo data"), default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="ops_team_name_unique",
                violation_error_message=_("A team with this name exists."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """Who did what to which object; append-only, without secrets."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(_("time"), auto_now_add=True)
    actor = models.CharField(_("actor"), max_length=200)
    action = models.CharField(_("action"), max_length=64)
    object_type = models.CharField(_("kind of object"), max_length=64)
    object_id = models.CharField(_("object"), max_length=200)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"


class OutboxMessage(models.Model):
    """A job that must happen: a row in the transaction of its cause, a message second.

    `dedup_key` is unique, so a cause that is reported twice leaves one row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=64)
    payload = models.JSONField(default=dict)
    dedup_key = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        indexes = [
            # The relay asks for the oldest message that is not over.
            models.Index(
                fields=["id"],
                condition=models.Q(done_at__isnull=True, given_up_at__isnull=True),
                name="ops_outbox_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.dedup_key}"


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried an Idempotency-Key.

    status is NULL while the first request still runs.
    """

    caller = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "key"], name="ops_idempotency_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
