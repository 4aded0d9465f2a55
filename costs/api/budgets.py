"""Budgets: read by everybody, written by Editors and by keys with `admin`."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from costs.budgets import BudgetState, budget_states, stage_of
from costs.models import Budget, BudgetPeriod, BudgetStage, usual_alert_steps
from costs.services import change_budget, create_budget, delete_budget
from costs.targets import target_faults
from devora_ops.common.rest.fields import (
    MomentField,
    MoneyField,
    NameField,
    StrictSerializer,
    TimeZoneField,
    TruthField,
    WholeField,
)
from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.permissions import caller_name
from devora_ops.common.rest.preconditions import check_if_match, etag

_SCOPE_COLUMNS = {
    "team": "team",
    "agent": "agent",
    "user": "end_user",
    "model": "model",
    "prompt": "prompt",
    "experiment": "experiment",
}

_ALERT_COLUMNS = {
    "steps": "alert_steps",
    "forecast": "alert_forecast",
    "emails": "alert_emails",
    "slack": "alert_slack",
    "snoozed_until": "snoozed_until",
}


class ScopeSerializer(StrictSerializer):
    """What a budget covers: all that is named must match, `{}` is everything."""

    team = NameField(required=False, max_length=64)
    agent = NameField(required=False, max_length=64)
    user = NameField(required=False, max_length=256)
    model = NameField(required=False, max_length=200)
    prompt = NameField(required=False, max_length=64)
    experiment = NameField(required=False, max_length=64)


class AlertsSerializer(StrictSerializer):
    """When a budget tells people, and whom.

    steps: percentages of the limit. emails: every Owner's if there are none.
    """

    steps = serializers.ListField(
        child=WholeField(min_value=1, max_value=1000),
        max_length=10,
        default=usual_alert_steps,
    )
    forecast = TruthField(default=True)
    emails = serializers.ListField(
        child=serializers.EmailField(max_length=254), max_length=50, default=list
    )
    slack = TruthField(default=True)
    snoozed_until = MomentField(allow_null=True, default=None)

    def validate_steps(self, steps: list[int]) -> list[int]:
        """Put them in order, each once."""
        return sorted(set(steps))


class BudgetSerializer(StrictSerializer):
    """A budget, and what its running period has spent and set aside."""

    id = serializers.IntegerField(read_only=True)
    name = NameField()
    limit_usd = MoneyField()
    period = serializers.ChoiceField(BudgetPeriod.choices)
    time_zone = TimeZoneField(default="UTC")
    scope = ScopeSerializer(default=dict)
    hard = TruthField(default=True)
    route_down_at = WholeField(
        min_value=1,
        max_value=1000,
        allow_null=True,
        default=None,
        help_text="From this percentage of the limit on, calls go to `route_down_to`, "
        "those of prompts that name a model too, unless they cost no more where they "
        "are. Embeddings never do.",
    )
    route_down_to = NameField(
        allow_blank=True,
        default="",
        max_length=300,
        help_text="A route, or a model as provider/name.",
    )
    cache_only_at = WholeField(
        min_value=1,
        max_value=1000,
        allow_null=True,
        default=None,
        help_text="From this percentage on, only cached answers are given, also to "
        "who did not ask for the cache; who forbids it is refused.",
    )
    stands_at = serializers.ChoiceField(
        BudgetStage.choices,
        read_only=True,
        help_text="What it does to calls now.",
    )
    route_down_fault = serializers.CharField(
        read_only=True, help_text="Why nothing is routed down, if so."
    )
    alerts = AlertsSerializer(required=False)
    spent_usd = MoneyField(read_only=True)
    held_usd = MoneyField(read_only=True)
    period_start = serializers.DateTimeField(read_only=True)
    period_end = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def columns(self) -> dict[str, Any]:
        """Return the validated body as the model's columns."""
        given = dict(self.validated_data)
        if "time_zone" in given:
            given["time_zone"] = str(given["time_zone"])
        alerts = given.pop("alerts", {})
        given |= {_ALERT_COLUMNS[name]: value for name, value in alerts.items()}
        scope = given.pop("scope", None)
        if scope is None:
            return given
        named = {column: scope.get(key, "") for key, column in _SCOPE_COLUMNS.items()}
        return {**given, **named}


def _shown(budgets: Iterable[Budget]) -> list[Mapping[str, Any]]:
    budgets = list(budgets)
    states = budget_states(budget.pk for budget in budgets)
    faults = target_faults(budget.route_down_to for budget in budgets)
    facts = [
        _facts(budget, states[budget.pk], faults.get(budget.route_down_to, ""))
        for budget in budgets
        if budget.pk in states
    ]
    return list(BudgetSerializer(facts, many=True).data)


def _facts(budget: Budget, state: BudgetState, fault: str) -> dict[str, Any]:
    columns = {key: getattr(budget, column) for key, column in _SCOPE_COLUMNS.items()}
    return {
        "id": budget.pk,
        "name": budget.name,
        "limit_usd": budget.limit_usd,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "scope": {key: value for key, value in columns.items() if value},
        "hard": budget.hard,
        "route_down_at": budget.route_down_at,
        "route_down_to": budget.route_down_to,
        "cache_only_at": budget.cache_only_at,
        "stands_at": stage_of(budget, spent=state.spent, held=state.held),
        "route_down_fault": fault,
        "alerts": {
            name: getattr(budget, column) for name, column in _ALERT_COLUMNS.items()
        },
        "spent_usd": state.spent,
        "held_usd": state.held,
        "period_start": state.start,
        "period_end": state.end,
        "created_at": budget.created_at,
        "updated_at": budget.updated_at,
    }


def _answer(budget: Budget, code: int = status.HTTP_200_OK) -> Response:
    return Response(_shown([budget])[0], code, headers={"ETag": _etag(budget)})


def _etag(budget: Budget) -> str:
    return etag("budget", budget.pk, budget.updated_at.isoformat())


def _author(request: Request) -> dict[str, str]:
    return {"actor": caller_name(request), "request_id": request_id(request)}


@extend_schema(tags=["budgets"])
class BudgetList(generics.GenericAPIView[Budget]):
    """Every budget, newest first; a POST makes one."""

    scopes: ClassVar = {"GET": "read", "POST": "admin"}
    roles: ClassVar = {"POST": "Editor"}
    queryset = Budget.objects.all()
    serializer_class = BudgetSerializer

    @extend_schema(responses=BudgetSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List budgets with what they have spent."""
        return self.get_paginated_response(
            _shown(self.paginate_queryset(self.get_queryset()) or ())
        )

    @extend_schema(responses={201: BudgetSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a budget."""
        body = BudgetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        budget = create_budget(**_author(request), **body.columns())
        return _answer(budget, status.HTTP_201_CREATED)


@extend_schema(tags=["budgets"])
class BudgetDetail(generics.GenericAPIView[Budget]):
    """One budget; If-Match guards a change against somebody else's."""

    scopes: ClassVar = {
        "GET": "read",
        "PUT": "admin",
        "PATCH": "admin",
        "DELETE": "admin",
    }
    roles: ClassVar = {"PUT": "Editor", "PATCH": "Editor", "DELETE": "Editor"}
    queryset = Budget.objects.all()
    serializer_class = BudgetSerializer

    def get(self, request: Request, pk: int) -> Response:
        """Return a budget with what it has spent."""
        return _answer(self.get_object())

    def put(self, request: Request, pk: int) -> Response:
        """Replace a budget's fields."""
        return self._change(request, pk, partial=False)

    def patch(self, request: Request, pk: int) -> Response:
        """Change some of a budget's fields."""
        return self._change(request, pk, partial=True)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, pk: int) -> Response:
        """Remove a budget."""
        budget = _locked(pk)
        check_if_match(request, _etag(budget))
        delete_budget(budget, **_author(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @transaction.atomic
    def _change(self, request: Request, pk: int, *, partial: bool) -> Response:
        body = BudgetSerializer(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        budget = _locked(pk)
        check_if_match(request, _etag(budget))
        return _answer(change_budget(budget, **_author(request), **body.columns()))


def _locked(pk: int) -> Budget:
    budget = Budget.objects.select_for_update().filter(pk=pk).first()
    if budget is None:
        raise Http404
    return budget
