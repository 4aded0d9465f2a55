"""What the prompt endpoints take and give."""

from typing import Any

from rest_framework import serializers

from devora_ops.common.rest.fields import (
    NameField,
    StrictSerializer,
    TextField,
    WholeField,
)
from devora_ops.common.rest.permissions import allows
from prompts.models import Prompt, PromptVersion
from prompts.variables import without_texts


class DefinitionSerializer(StrictSerializer):
    """The fields of a version; prompts.definition says what they may hold."""

    messages = serializers.JSONField(required=False)
    variables = serializers.JSONField(required=False)
    model = TextField(required=False, max_length=200)
    parameters = serializers.JSONField(required=False)
    response_schema = serializers.JSONField(required=False, allow_null=True)
    corpus = TextField(required=False, allow_null=True, allow_blank=True, max_length=64)
    retrieval = serializers.JSONField(required=False, allow_null=True)
    cache = serializers.JSONField(required=False, allow_null=True)
    note = TextField(required=False, allow_blank=True, max_length=200)


class NewVersionSerializer(DefinitionSerializer):
    """A new version: what is not given stays as it is in the newest.

    based_on: the version the author saw; a newer one by now is a 409.
    """

    based_on = WholeField(required=False, min_value=0)


class NewPromptSerializer(DefinitionSerializer):
    """A new prompt with its version 1."""

    slug = serializers.SlugField(max_length=64)
    name = NameField(required=False)
    description = TextField(required=False, allow_blank=True)
    messages = serializers.JSONField()
    model = TextField(max_length=200)


class VersionSerializer(serializers.ModelSerializer[PromptVersion]):
    """One immutable version.

    content_hidden: the caller may not read prompts. `messages` is null then, and
    variables come without their defaults and examples.
    """

    prompt = serializers.SlugRelatedField[Any]("slug", read_only=True)
    version = serializers.IntegerField(source="number", read_only=True)
    content_hidden = serializers.SerializerMethodField()

    class Meta:
        model = PromptVersion
        fields = (
            "prompt",
            "version",
            "content_hidden",
            "messages",
            "variables",
            "model",
            "parameters",
            "response_schema",
            "corpus",
            "retrieval",
            "cache",
            "note",
            "created_by",
            "created_at",
        )
        read_only_fields = fields

    def get_content_hidden(self, version: PromptVersion) -> bool:
        """Say whether the caller may not read prompts; who renders them may."""
        request = self.context["request"]
        return not allows(request, "llm.view_content", "call", "write")

    def to_representation(self, instance: PromptVersion) -> dict[str, Any]:
        """Return the version, without its texts when they are hidden."""
        shown = super().to_representation(instance)
        if shown["content_hidden"]:
            shown["messages"] = None
            shown["variables"] = without_texts(shown["variables"])
        return shown


class PromptSerializer(serializers.ModelSerializer[Prompt]):
    """A prompt: its newest version's number, and where its labels point."""

    version = serializers.IntegerField(source="newest", read_only=True)
    labels = serializers.SerializerMethodField()

    class Meta:
        model = Prompt
        fields = ("slug", "name", "description", "version", "labels", "created_at")
        read_only_fields = fields

    def get_labels(self, prompt: Prompt) -> dict[str, int]:
        """Return label → version."""
        return {label.name: label.version.number for label in prompt.labels.all()}


class PromptDetailSerializer(PromptSerializer):
    """A prompt with its newest version in full."""

    latest = serializers.SerializerMethodField()

    class Meta(PromptSerializer.Meta):
        fields = (*PromptSerializer.Meta.fields, "latest")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    def get_latest(self, prompt: Prompt) -> dict[str, Any]:
        """Return the newest version."""
        newest = prompt.versions.first()
        return dict(VersionSerializer(newest, context=self.context).data)


class MoveLabelSerializer(StrictSerializer):
    """Where a label is to point."""

    version = WholeField(min_value=1)


class LabelSerializer(serializers.Serializer[Any]):
    """Where a label points."""

    label = serializers.CharField(source="name")  # type: ignore[assignment]
    version = serializers.IntegerField(source="version.number")
    moved_by = serializers.CharField()
    moved_at = serializers.DateTimeField()


class RenderSerializer(StrictSerializer):
    """Which version to render, and with what; no choice means label `production`."""

    variables = serializers.DictField(required=False, default=dict)
    label = TextField(required=False, max_length=64)  # type: ignore[assignment]
    version = WholeField(required=False, min_value=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two choices."""
        if "label" in attrs and "version" in attrs:
            raise serializers.ValidationError({"label": "Give a label or a version."})
        return attrs


class RenderedSerializer(serializers.Serializer[Any]):
    """The rendered messages, and the version they are of."""

    messages = serializers.ListField(child=serializers.JSONField())
    version = serializers.IntegerField()
