"""Calls, to list and to look into: every number, no text of a prompt or an answer."""

import datetime as dt
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers

from costs.models import (
    Anomaly,
    Attempt,
    AttemptState,
    BillPart,
    Call,
    CallStatus,
)
from costs.selectors import Slice, attempts_in, attempts_of, calls_in, score_of
from devora_ops.common.ids import uuid7_time
from devora_ops.common.rest.fields import MillisecondsField, MoneyField, TextField
from devora_ops.common.rest.parameters import RangeQuery, read

_ANY = "any"
_TEXT_FILTERS = (
    "team",
    "agent",
    "user",
    "key",
    "model",
    "prompt",
    "experiment",
    "variant",
    "error_code",
)


class CallsQuery(RangeQuery):
    """Which calls; every filter must match. anomaly: one kind, or `any`."""

    status = serializers.ChoiceField(CallStatus.choices, required=False)
    anomaly = serializers.ChoiceField([_ANY, *Anomaly.values], required=False)
    stream = serializers.BooleanField(required=False, allow_null=True, default=None)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the filters that take any text."""
        texts = {
            name: TextField(required=False, max_length=10_000) for name in _TEXT_FILTERS
        }
        return {**super().get_fields(), **texts}


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One upstream try."""

    state = serializers.ChoiceField(AttemptState.choices, read_only=True)
    cost_usd = MoneyField(read_only=True)
    book_usd = MoneyField(read_only=True)
    latency_ms = MillisecondsField()
    ttft_ms = MillisecondsField()

    class Meta:
        model = Attempt
        fields: tuple[str, ...] = (
            "id",
            "number",
            "provider",
            "model",
            "state",
            "settled_at",
            "http_status",
            "error_code",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cost_usd",
            "book_usd",
            "estimated",
            "latency_ms",
            "ttft_ms",
            "anomaly",
        )


class CallSerializer(serializers.ModelSerializer[Call]):
    """One request as it was served."""

    started_at = serializers.SerializerMethodField()
    user = serializers.CharField(source="end_user", read_only=True)
    status = serializers.ChoiceField(CallStatus.choices, read_only=True)
    cost_usd = MoneyField(read_only=True)
    saved_usd = MoneyField(read_only=True)
    latency_ms = MillisecondsField()
    ttft_ms = MillisecondsField()

    class Meta:
        model = Call
        fields: tuple[str, ...] = (
            "id",
            "started_at",
            "finished_at",
            "status",
            "http_status",
            "error_code",
            "team",
            "agent",
            "user",
            "key",
            "requested",
            "model",
            "prompt",
            "prompt_version",
            "experiment",
            "variant",
            "stream",
            "cache",
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "cost_usd",
            "saved_usd",
            "estimated",
            "latency_ms",
            "ttft_ms",
            "attempts",
            "request_id",
            "anomaly",
        )

    def get_started_at(self, call: Call) -> dt.datetime:
        """Return the moment that the id carries."""
        return uuid7_time(call.id)


class CallDetailSerializer(CallSerializer):
    """One request with its upstream tries."""

    score = serializers.SerializerMethodField()
    tries = serializers.SerializerMethodField()

    class Meta(CallSerializer.Meta):
        fields = (*CallSerializer.Meta.fields, "score", "tries")

    def get_score(self, call: Call) -> float | None:
        """Return how good the answer was, 0 to 10, once somebody said."""
        score = score_of(call)
        return None if score is None else float(score)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_tries(self, call: Call) -> Any:
        """Return the attempts, first one first."""
        return AttemptSerializer(attempts_of(call), many=True).data


@extend_schema(tags=["calls"])
class CallList(generics.ListAPIView[Call]):
    """Calls of a range, newest first; without `from` and `to` the last seven days."""

    scopes: ClassVar = {"GET": "read"}
    query = CallsQuery
    serializer_class = CallSerializer

    def get_queryset(self) -> QuerySet[Call]:
        """Return the calls that the parameters name."""
        given = read(self.request, CallsQuery)
        start, end = given.pop("from"), given.pop("to")
        where = {name: value for name, value in given.items() if value is not None}
        if where.get("anomaly") == _ANY:
            del where["anomaly"]
            where["anomaly__gt"] = ""
        return calls_in(Slice(start, end, where))


_ATTEMPT_FILTERS = ("team", "agent", "user", "key", "model", "prompt")


class AttemptsQuery(RangeQuery):
    """Which attempts, by when their call began. part: of a bill that is explained."""

    part = serializers.ChoiceField(BillPart.choices, required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the filters that take any text."""
        texts = {
            name: TextField(required=False, max_length=10_000)
            for name in _ATTEMPT_FILTERS
        }
        return {**super().get_fields(), **texts}


class AttemptRowSerializer(AttemptSerializer):
    """One upstream try, with its call, its dimensions and its part of the bill."""

    user = serializers.CharField(source="end_user", read_only=True)
    part = serializers.ChoiceField(BillPart.choices, read_only=True)

    class Meta(AttemptSerializer.Meta):
        fields = (
            *AttemptSerializer.Meta.fields,
            "call_id",
            "team",
            "agent",
            "user",
            "key",
            "prompt",
            "prompt_version",
            "experiment",
            "variant",
            "part",
        )


@extend_schema(tags=["calls"])
class AttemptList(generics.ListAPIView[Attempt]):
    """Upstream tries of a range's calls, newest first; without one, of seven days."""

    scopes: ClassVar = {"GET": "read"}
    query = AttemptsQuery
    serializer_class = AttemptRowSerializer

    def get_queryset(self) -> QuerySet[Attempt]:
        """Return the attempts that the parameters name."""
        given = read(self.request, AttemptsQuery)
        start, end = given.pop("from"), given.pop("to")
        return attempts_in(Slice(start, end, given))


@extend_schema(tags=["calls"])
class CallDetail(generics.RetrieveAPIView[Call]):
    """One call and its upstream tries."""

    scopes: ClassVar = {"GET": "read"}
    queryset = Call.objects.all()
    serializer_class = CallDetailSerializer
