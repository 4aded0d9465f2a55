"""What a call said and was answered: for those who may read it, and audited."""

import uuid
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.errors import NotFound
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.permissions import caller_name
from llm.models import Content
from llm.selectors import parsed
from llm.services import content_read


class BodyField(serializers.JSONField):
    """A kept body: JSON, or a text when masking left no JSON."""

    def to_representation(self, value: Any) -> Any:
        """Return the body parsed."""
        return parsed(value)


class ContentSerializer(serializers.Serializer[Content]):
    """What went up to the provider and what came back."""

    request = BodyField(read_only=True)
    response = BodyField(read_only=True)


@extend_schema(tags=["calls"], responses=ContentSerializer)
class CallContent(APIView):
    """What a call said and was answered, for thirty days; every reading is audited."""

    scopes: ClassVar = {"GET": "admin"}
    roles: ClassVar = {"GET": "Viewer"}
    permissions: ClassVar = {"GET": "llm.view_content"}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Return the two bodies."""
        content = content_read(
            call_id=pk, actor=caller_name(request), request_id=request_id(request)
        )
        if content is None:
            raise NotFound(_("No content of this call is kept."))
        return Response(ContentSerializer(content).data)
