"""Experiments over REST: read by everybody, changed by Editors and `write` keys."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.rest.idempotency import idempotent
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.rest.permissions import caller_name
from experiments.api.serializers import (
    AssignedSerializer,
    ExperimentSerializer,
    NewExperimentSerializer,
    OutcomeSerializer,
    PromoteSerializer,
    StoredOutcomeSerializer,
    SummarySerializer,
    UnitSerializer,
)
from experiments.models import Experiment
from experiments.selectors import (
    experiment_by_slug,
    experiments_with_variants,
    tallies,
)
from experiments.services import (
    NewVariant,
    experiment_create,
    experiment_promote,
    experiment_start,
    experiment_stop,
    outcome_record,
    unit_assign,
)
from prompts.selectors import prompt_by_slug


def _author(request: Request) -> dict[str, Any]:
    return {"actor": caller_name(request), "request_id": request_id(request)}


def _read(
    request: Request, serializer: type[serializers.Serializer[Any]]
) -> dict[str, Any]:
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _shown(experiment: Experiment, code: int = status.HTTP_200_OK) -> Response:
    # Read again: the service changed a row of its own, and variants may be new.
    fresh = experiment_by_slug(experiment.slug)
    return Response(ExperimentSerializer(fresh).data, code)


@extend_schema(tags=["experiments"])
class ExperimentList(generics.ListAPIView[Experiment]):
    """Every experiment, newest first; a POST makes a draft."""

    scopes: ClassVar = {"GET": "read", "POST": "write"}
    serializer_class = ExperimentSerializer

    def get_queryset(self) -> QuerySet[Experiment]:
        """Return the experiments."""
        return experiments_with_variants()

    @extend_schema(
        request=NewExperimentSerializer, responses={201: ExperimentSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a draft."""
        given = _read(request, NewExperimentSerializer)
        variants = [NewVariant(**variant) for variant in given.pop("variants")]
        prompt = prompt_by_slug(given.pop("prompt"))
        made = experiment_create(
            prompt=prompt, variants=variants, **given, **_author(request)
        )
        return _shown(made, status.HTTP_201_CREATED)


@extend_schema(tags=["experiments"], responses=ExperimentSerializer)
class ExperimentDetail(APIView):
    """One experiment."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, slug: str) -> Response:
        """Return an experiment with its variants."""
        return Response(ExperimentSerializer(experiment_by_slug(slug)).data)


@extend_schema(tags=["experiments"], request=None, responses=ExperimentSerializer)
class StartExperiment(APIView):
    """Begins: calls take part within a second."""

    scopes: ClassVar = {"POST": "write"}

    def post(self, request: Request, slug: str) -> Response:
        """Start a draft."""
        experiment = experiment_by_slug(slug)
        return _shown(experiment_start(experiment=experiment, **_author(request)))


@extend_schema(tags=["experiments"], request=None, responses=ExperimentSerializer)
class StopExperiment(APIView):
    """Ends without a winner."""

    scopes: ClassVar = {"POST": "write"}

    def post(self, request: Request, slug: str) -> Response:
        """Stop a running experiment."""
        experiment = experiment_by_slug(slug)
        return _shown(experiment_stop(experiment=experiment, **_author(request)))


@extend_schema(
    tags=["experiments"], request=PromoteSerializer, responses=ExperimentSerializer
)
class PromoteVariant(APIView):
    """Makes a variant what everybody gets."""

    scopes: ClassVar = {"POST": "write"}

    def post(self, request: Request, slug: str) -> Response:
        """Move the label to a variant's version and close the experiment."""
        experiment = experiment_by_slug(slug)
        given = _read(request, PromoteSerializer)
        return _shown(
            experiment_promote(experiment=experiment, **given, **_author(request))
        )


@extend_schema(
    tags=["experiments"], request=UnitSerializer, responses=AssignedSerializer
)
class AssignUnit(APIView):
    """Which variant a unit sees: always the same one."""

    scopes: ClassVar = {"POST": "call"}

    def post(self, request: Request, slug: str) -> Response:
        """Assign a unit."""
        experiment = experiment_by_slug(slug)
        variant = unit_assign(experiment=experiment, **_read(request, UnitSerializer))
        return Response({"variant": variant.name, "version": variant.version.number})


@extend_schema(tags=["experiments"], request=OutcomeSerializer)
class OutcomeList(APIView):
    """What came of units and calls."""

    scopes: ClassVar = {"POST": "call"}

    @extend_schema(responses={201: StoredOutcomeSerializer})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Store one outcome."""
        experiment = experiment_by_slug(slug)
        stored = outcome_record(
            experiment=experiment,
            actor=caller_name(request),
            **_read(request, OutcomeSerializer),
        )
        shown = StoredOutcomeSerializer(stored).data
        return Response(shown, status.HTTP_201_CREATED)


@extend_schema(tags=["experiments"], responses=SummarySerializer)
class ExperimentSummary(APIView):
    """What was counted so far."""

    scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, slug: str) -> Response:
        """Return the counts of each variant."""
        experiment = experiment_by_slug(slug)
        summary = {
            "experiment": experiment.slug,
            "status": experiment.status,
            "primary_metric": experiment.primary_metric,
            "variants": tallies(experiment),
            "decision": None,
            "note": _("Counts and means only: differences may be chance."),
        }
        return Response(SummarySerializer(summary).data)
