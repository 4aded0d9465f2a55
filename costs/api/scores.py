"""How good a call's answer was, as whoever judged it says."""

import uuid
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.scores import BEST, score_record
from devora_ops.common.rest.fields import NumberField, StrictSerializer
from devora_ops.common.rest.permissions import caller_name


class ScoreSerializer(StrictSerializer):
    """A score, 0 to 10; kept to three decimal places."""

    value = NumberField(min_value=0, max_value=BEST)


class ScoredSerializer(serializers.Serializer[Any]):
    """A call's score as it is now; previous: what it corrected, or null."""

    call_id = serializers.UUIDField()
    value = serializers.FloatField()
    previous = serializers.FloatField(allow_null=True)


@extend_schema(
    tags=["calls"],
    request=ScoreSerializer,
    responses={200: ScoredSerializer, 201: ScoredSerializer},
)
class CallScore(APIView):
    """The quality of a call's answer; a later score replaces an earlier one."""

    scopes: ClassVar = {"POST": "call"}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Score an answered call, or correct its score."""
        given = ScoreSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        scored = score_record(
            call_id=pk,
            value=given.validated_data["value"],
            scored_by=caller_name(request),
        )
        is_new = scored.previous is None
        return Response(
            ScoredSerializer(scored).data,
            status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )
