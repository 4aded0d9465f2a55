"""Prompts over REST: read by everybody, changed by Editors and keys with `write`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.permissions import caller_name
from prompts.api.serializers import (
    LabelSerializer,
    MoveLabelSerializer,
    NewPromptSerializer,
    NewVersionSerializer,
    PromptDetailSerializer,
    PromptSerializer,
    RenderedSerializer,
    RenderSerializer,
    VersionSerializer,
)
from prompts.models import Prompt, PromptVersion
from prompts.selectors import prompt_by_slug, prompts_with_newest, rendered, version_of
from prompts.services import FIELDS, label_move, prompt_create, version_create


def _author(request: Request) -> dict[str, Any]:
    return {"actor": caller_name(request), "request_id": request_id(request)}


def _split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide a body into the version's definition and everything else."""
    definition = {name: value for name, value in given.items() if name in FIELDS}
    return definition, {n: v for n, v in given.items() if n not in FIELDS}


def _prompt(request: Request, slug: str, code: int = status.HTTP_200_OK) -> Response:
    body = PromptDetailSerializer(prompt_by_slug(slug), context={"request": request})
    return Response(body.data, code)


def _version(
    request: Request, version: PromptVersion, code: int = status.HTTP_200_OK
) -> Response:
    body = VersionSerializer(version, context={"request": request})
    return Response(body.data, code)


@extend_schema(tags=["prompts"])
class PromptList(generics.ListAPIView[Prompt]):
    """Every prompt, newest first; a POST makes one with its version 1."""

    scopes: ClassVar = {"GET": "read", "POST": "write"}
    serializer_class = PromptSerializer

    def get_queryset(self) -> QuerySet[Prompt]:
        """Return the prompts."""
        return prompts_with_newest()

    @extend_schema(request=NewPromptSerializer, responses={201: PromptDetailSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a prompt."""
        body = NewPromptSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        definition, rest = _split(body.validated_data)
        name = rest.pop("name", rest["slug"])
        made = prompt_create(
            definition=definition, name=name, **rest, **_author(request)
        )
        return _prompt(request, made.slug, status.HTTP_201_CREATED)


@extend_schema(tags=["prompts"], responses=PromptDetailSerializer)
class PromptDetail(APIView):
    """One prompt with its labels and its newest version."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, slug: str) -> Response:
        """Return a prompt."""
        return _prompt(request, slug)


@extend_schema(tags=["prompts"])
class VersionList(generics.ListAPIView[PromptVersion]):
    """A prompt's versions, newest first; a POST makes the next one."""

    scopes: ClassVar = {"GET": "read", "POST": "write"}
    serializer_class = VersionSerializer
    keyset = "-number"

    def get_queryset(self) -> QuerySet[PromptVersion]:
        """Return the versions."""
        prompt = prompt_by_slug(self.kwargs["slug"])
        return PromptVersion.objects.filter(prompt=prompt).select_related("prompt")

    @extend_schema(request=NewVersionSerializer, responses={201: VersionSerializer})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Make a version."""
        prompt = prompt_by_slug(slug)
        body = NewVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        definition, rest = _split(body.validated_data)
        made = version_create(
            prompt=prompt, definition=definition, **rest, **_author(request)
        )
        return _version(request, made, status.HTTP_201_CREATED)


@extend_schema(tags=["prompts"], responses=VersionSerializer)
class VersionDetail(APIView):
    """One version."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, slug: str, number: int) -> Response:
        """Return a version."""
        version = version_of(prompt_by_slug(slug), number=number)
        return _version(request, version)


@extend_schema(tags=["prompts"], request=MoveLabelSerializer, responses=LabelSerializer)
class LabelDetail(APIView):
    """A label of a prompt; production calls follow it within a second."""

    scopes: ClassVar = {"PUT": "write"}

    def put(self, request: Request, slug: str, label: str) -> Response:
        """Point the label at a version, making the label if it is new."""
        body = MoveLabelSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        moved = label_move(
            prompt=prompt_by_slug(slug),
            label=label,
            number=body.validated_data["version"],
            **_author(request),
        )
        return Response(LabelSerializer(moved).data)


@extend_schema(tags=["prompts"], request=RenderSerializer, responses=RenderedSerializer)
class RenderPrompt(APIView):
    """What a call would say, without making it."""

    scopes: ClassVar = {"POST": "call"}

    def post(self, request: Request, slug: str) -> Response:
        """Render a version."""
        body = RenderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        version = version_of(
            prompt_by_slug(slug),
            label=asked.get("label"),
            number=asked.get("version"),
        )
        messages = rendered(version, asked["variables"])
        return Response({"messages": messages, "version": version.number})
