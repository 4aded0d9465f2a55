"""What the experiment endpoints take and give."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from devora_ops.common.rest.fields import (
    MoneyField,
    NameField,
    NumberField,
    StrictSerializer,
    TextField,
    WholeField,
)
from experiments.expansion import MAX_UNIT
from experiments.models import Experiment, Metric, Variant

_MOST_GUARDRAILS = 20


class NewVariantSerializer(StrictSerializer):
    """One candidate: a version of the experiment's prompt, by its number."""

    name = NameField(max_length=64)
    version = WholeField(min_value=1, max_value=2_147_483_647)
    weight = WholeField(min_value=0, max_value=1_000_000, default=1)


class NewExperimentSerializer(StrictSerializer):
    """A draft; it may have fewer variants than it needs to start."""

    slug = serializers.SlugField(max_length=64)
    prompt = serializers.SlugField(max_length=64)
    variants = NewVariantSerializer(
        many=True,
        default=list,
        max_length=20,  # type: ignore[call-arg]
    )
    hypothesis = TextField(required=False, allow_blank=True)
    primary_metric = serializers.ChoiceField(Metric.choices, default=Metric.SUCCESS)
    guardrails = serializers.JSONField(default=list)  # type: ignore[arg-type]
    unit = NameField(max_length=64, default="user")
    min_days = WholeField(min_value=0, max_value=365, default=7)

    def validate_guardrails(self, value: Any) -> Any:
        """Ask for a list or an object of moderate size."""
        if not isinstance(value, list | dict) or len(value) > _MOST_GUARDRAILS:
            raise serializers.ValidationError(_("Give a list of guardrails."))
        return value


class VariantSerializer(serializers.ModelSerializer[Variant]):
    """One candidate."""

    version = serializers.IntegerField(source="version.number")

    class Meta:
        model = Variant
        fields = ("name", "version", "weight")
        read_only_fields = fields


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    """An experiment with its variants."""

    prompt = serializers.SlugRelatedField[Any]("slug", read_only=True)
    variants = VariantSerializer(many=True)

    class Meta:
        model = Experiment
        fields = (
            "slug",
            "prompt",
            "status",
            "hypothesis",
            "unit",
            "variants",
            "primary_metric",
            "guardrails",
            "min_days",
            "winner",
            "created_at",
            "started_at",
            "stopped_at",
        )
        read_only_fields = fields


class PromoteSerializer(StrictSerializer):
    """Which variant won, and which label is to follow it."""

    variant = NameField(max_length=64)
    label = TextField(required=False, max_length=64)  # type: ignore[assignment]


class UnitSerializer(StrictSerializer):
    """Whom to assign."""

    unit = TextField(max_length=MAX_UNIT)


class AssignedSerializer(serializers.Serializer[Any]):
    """What the unit sees."""

    variant = serializers.CharField()
    version = serializers.IntegerField()


class OutcomeSerializer(StrictSerializer):
    """What came of one unit, or of one call."""

    unit = TextField(required=False, max_length=MAX_UNIT)
    call_id = serializers.UUIDField(required=False)
    metric = NameField(max_length=64)
    value = NumberField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one subject."""
        if ("unit" in attrs) == ("call_id" in attrs):
            raise serializers.ValidationError({"unit": _("Give a unit or a call_id.")})
        return attrs


class StoredOutcomeSerializer(serializers.Serializer[Any]):
    """An outcome as it was stored."""

    variant = serializers.CharField(source="variant.name")
    metric = serializers.CharField()
    value = serializers.FloatField()


class TallySerializer(serializers.Serializer[Any]):
    """What was counted of one variant."""

    name = serializers.CharField(source="variant.name")
    version = serializers.IntegerField(source="variant.version.number")
    weight = serializers.IntegerField(source="variant.weight")
    exposures = serializers.IntegerField()
    calls = serializers.IntegerField()
    cost_usd = MoneyField()
    outcomes = serializers.DictField()


class SummarySerializer(serializers.Serializer[Any]):
    """Counts by variant. decision is null: counts alone decide nothing."""

    experiment = serializers.CharField()
    status = serializers.CharField()
    primary_metric = serializers.CharField()
    variants = TallySerializer(many=True)
    decision = serializers.CharField(allow_null=True)
    note = serializers.CharField()
