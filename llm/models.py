"""Who calls, with which key, what may answer, and what was said."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from devora_ops.common.apikeys import SCOPES
from devora_ops.common.models import Team
from llm.conditions import check_conditions
from llm.policy import LARGEST_BULKHEAD
from llm.policy_columns import PolicyColumns, empty_or_within


class ContentMode(models.TextChoices):
    """How much of what an agent says is kept."""

    DEFAULT = "default", _("As the installation does")
    FULL = "full", _("Full")
    MASKED = "masked", _("Masked")
    OFF = "off", _("Off")


class Limited(models.Model):
    """What somebody may ask for in any minute, and at once; empty is without limit."""

    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    tokens_per_minute = models.PositiveIntegerField(
        _("tokens per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    concurrent_calls = models.PositiveIntegerField(
        _("calls at once"), null=True, blank=True, validators=[MinValueValidator(1)]
    )

    class Meta:
        abstract = True


class Agent(Limited):
    """A program that calls models; belongs to a team."""

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="agents", verbose_name=_("team")
    )
    store_content = models.CharField(
        _("stored content"),
        max_length=8,
        choices=ContentMode.choices,
        default=ContentMode.DEFAULT,
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ApiKey(Limited):
    """The secret an agent calls with: its id and a digest, never the secret itself."""

    public_id = models.CharField(_("id"), max_length=8, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, related_name="keys", verbose_name=_("agent")
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    scopes = ArrayField(
        models.CharField(max_length=8, choices=[(s, s) for s in SCOPES]),
        verbose_name=_("scopes"),
        default=list,
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"dvo_live_{self.public_id}…{self.last_four}"


class KeyUse(models.Model):
    """When a key was used last, to the minute; apart, so that keys stay unchanged."""

    public_id = models.CharField(max_length=8, primary_key=True)
    used_at = models.DateTimeField()

    class Meta:
        verbose_name = _("key use")
        verbose_name_plural = _("key uses")

    def __str__(self) -> str:
        return self.public_id


class ProviderKind(models.TextChoices):
    """Which wire format and habits an upstream has."""

    OPENAI = "openai", "OpenAI"
    ANTHROPIC = "anthropic", "Anthropic"
    OPENROUTER = "openrouter", "OpenRouter"
    COMPATIBLE = "compatible", _("OpenAI-compatible")


class Provider(models.Model):
    """An upstream service and its credential, sealed with DEVORA_FIELD_KEYS.

    internal_allowed: the operator named this address in the environment, so it may
    lie inside the network; the web interface can never set it.
    """

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=16, choices=ProviderKind.choices)
    base_url = models.CharField(_("base URL"), max_length=500)
    sealed_secret = models.TextField(blank=True, editable=False)
    last_four = models.CharField(max_length=4, blank=True, editable=False)
    internal_allowed = models.BooleanField(default=False, editable=False)
    bulkhead_size = models.PositiveIntegerField(
        _("calls at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LARGEST_BULKHEAD)],
        help_text=_(
            "From one web process; 1000 when empty. What is more is refused at once, so "
            "that a slow provider holds up nobody else."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=empty_or_within("bulkhead_size", 1, LARGEST_BULKHEAD),
                name="llm_provider_bulkhead",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Model(models.Model):
    """A provider's model, named `provider/name` everywhere else.

    color_slot: 1 to 12, the same colour for a model on every chart.
    """

    provider = models.ForeignKey(
        Provider,
        on_delete=models.CASCADE,
        related_name="models",
        verbose_name=_("provider"),
    )
    name = models.CharField(_("name"), max_length=200)
    context_window = models.IntegerField(_("context window"), null=True, blank=True)
    max_output_tokens = models.IntegerField(_("output limit"), null=True, blank=True)
    abilities = models.JSONField(_("abilities"), default=dict, blank=True)
    color_slot = models.PositiveSmallIntegerField(_("colour"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["provider__slug", "name"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "name"], name="llm_model_once"),
            models.CheckConstraint(
                condition=models.Q(color_slot__isnull=True)
                | models.Q(color_slot__range=(1, 12)),
                name="llm_model_color_slot",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider.slug}/{self.name}"


class RouteStrategy(models.TextChoices):
    """How a route chooses among its targets."""

    PRIORITY = "priority", _("In order")
    WEIGHTED = "weighted", _("By weight")
    CHEAPEST = "cheapest", _("The cheapest first")
    FASTEST = "fastest", _("The fastest first")


class Route(PolicyColumns):
    """A public name an agent may ask for, and the models that may serve it."""

    slug = models.SlugField(_("slug"), max_length=64, unique=True)
    strategy = models.CharField(
        _("strategy"),
        max_length=16,
        choices=RouteStrategy.choices,
        default=RouteStrategy.PRIORITY,
    )
    default_max_tokens = models.PositiveIntegerField(
        _("default max_tokens"), default=4096
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(PolicyColumns.Meta):
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class RouteTarget(models.Model):
    """One model of a route, with its place and its weight."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="targets")
    model = models.ForeignKey(
        Model, on_delete=models.PROTECT, related_name="+", verbose_name=_("model")
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    weight = models.PositiveIntegerField(_("weight"), default=1)
    conditions = models.JSONField(
        _("conditions"),
        default=dict,
        blank=True,
        help_text=_(
            "Which requests it serves: agents, teams (lists), min_input_tokens, "
            "max_input_tokens, metadata (names and values)."
        ),
    )

    class Meta:
        verbose_name = _("target")
        verbose_name_plural = _("targets")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["route", "model"], name="llm_routetarget_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.model)

    def clean(self) -> None:
        """Refuse conditions that the gateway would not understand."""
        try:
            check_conditions(self.conditions)
        except ValueError as error:
            raise ValidationError({"conditions": str(error)}) from error


class BreakerState(models.TextChoices):
    """Whether calls pass to a target."""

    CLOSED = "closed", _("Closed")
    OPEN = "open", _("Open")


class Breaker(models.Model):
    """What the gateway knows of a target's health, and what people decide of it.

    target: `provider/name`, or a provider's slug for its credential. forced holds
    whatever the calls say, until somebody clears it.
    """

    target = models.CharField(_("target"), max_length=265, primary_key=True)
    state = models.CharField(
        _("state"),
        max_length=8,
        choices=BreakerState.choices,
        default=BreakerState.CLOSED,
        editable=False,
    )
    forced = models.CharField(
        _("forced"), max_length=8, choices=BreakerState.choices, blank=True
    )
    reason = models.CharField(_("reason"), max_length=100, blank=True, editable=False)
    changed_at = models.DateTimeField(
        _("changed"), default=timezone.now, editable=False
    )
    changed_by = models.UUIDField(null=True, editable=False)

    class Meta:
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")
        ordering = ["-changed_at"]

    def __str__(self) -> str:
        return self.target


class Content(models.Model):
    """What a call said and was answered, apart from its numbers, kept for less long.

    Its `view` permission, `llm.view_content`, is what lets a person read it. Both are
    JSON texts; a text column takes what JSONB refuses, once NUL is replaced.
    """

    call_id = models.UUIDField(primary_key=True)
    request = models.TextField()
    response = models.TextField()

    class Meta:
        managed = False
        db_table = "llm_content"

    def __str__(self) -> str:
        return str(self.call_id)
