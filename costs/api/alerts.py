"""What was crossed or unusual, and who has been told."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costs.alerts.crossings import CHANNELS, SLACK
from costs.models import Alert, AlertKind
from devora_ops.common.models import OutboxMessage
from devora_ops.common.rest.fields import MoneyField, TextField
from devora_ops.common.rest.parameters import RangeQuery, read


class AlertsQuery(RangeQuery):
    """Which alerts: of a kind, a budget, an agent, and of when."""

    kind = serializers.ChoiceField(AlertKind.choices, required=False)
    budget = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    agent = TextField(required=False, max_length=256)


class ToldSerializer(serializers.Serializer[Any]):
    """A message about an alert: sent, given up (with why), or on its way."""

    channel = serializers.ChoiceField(["email", "slack"])
    sent_at = serializers.DateTimeField(allow_null=True)
    given_up_at = serializers.DateTimeField(allow_null=True)
    tries = serializers.IntegerField()
    error = serializers.CharField()


class AlertSerializer(serializers.Serializer[Any]):
    """A step that a budget crossed, or an hour that was unusual.

    step_percent: of the limit, or of what is usual. limit_usd: the budget's, or the most
    that passes for usual. told_with: the alert of a higher step that was crossed at once;
    its messages tell of this one too.
    """

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(AlertKind.choices)
    budget = serializers.IntegerField(source="budget_id", allow_null=True)
    name = serializers.CharField()
    agent = serializers.CharField()
    step_percent = serializers.IntegerField(source="step")
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField(allow_null=True)
    limit_usd = MoneyField()
    spent_usd = MoneyField()
    projected_usd = MoneyField(allow_null=True)
    usual_usd = MoneyField(allow_null=True)
    crossed_at = serializers.DateTimeField()
    told_with = serializers.IntegerField(source="told_with_id", allow_null=True)
    told = ToldSerializer(many=True)


@extend_schema(tags=["alerts"])
class AlertList(generics.GenericAPIView[Alert]):
    """Alerts of a range, newest first."""

    scopes: ClassVar = {"GET": "read"}
    query = AlertsQuery
    serializer_class = AlertSerializer

    def get_queryset(self) -> QuerySet[Alert]:
        """Return the alerts that the parameters name."""
        given = read(self.request, AlertsQuery)
        columns = {"kind": "kind", "agent": "agent", "budget": "budget_id"}
        named = {columns[name]: given[name] for name in columns if name in given}
        return Alert.objects.filter(
            crossed_at__gte=given["from"], crossed_at__lt=given["to"], **named
        )

    @extend_schema(responses=AlertSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List alerts, and who was told; addresses are the admin's to show."""
        alerts = self.paginate_queryset(self.get_queryset()) or []
        told = _told(alerts)
        for alert in alerts:
            alert.told = told[_teller(alert)]  # type: ignore[attr-defined]
        return self.get_paginated_response(AlertSerializer(alerts, many=True).data)


def _told(alerts: Sequence[Alert]) -> Mapping[int, Iterable[Mapping[str, Any]]]:
    found: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    messages = OutboxMessage.objects.filter(
        kind__in=CHANNELS, payload__alert__in=list(map(_teller, alerts))
    )
    for each in messages.order_by("id"):
        found[each.payload["alert"]].append(
            {
                "channel": "slack" if each.kind == SLACK else "email",
                "sent_at": each.done_at,
                "given_up_at": each.given_up_at,
                "tries": each.attempts,
                "error": each.last_error,
            }
        )
    return found


def _teller(alert: Alert) -> int:
    """Return the alert whose messages tell of it."""
    return alert.told_with_id or alert.pk
