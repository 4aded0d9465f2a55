"""What-ifs that need routes or cache rules, over REST; nothing is written."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from costs.api.what_if import FiltersSerializer
from devora_ops.common.rest.fields import (
    MoneyField,
    NameField,
    StrictSerializer,
    WholeField,
)
from devora_ops.common.rest.parameters import RangeQuery
from llm.cache_question import CacheQuestion
from llm.conditions import check_conditions
from llm.gateway.caching import DEFAULT_TTL_S, MOST_TTL_S
from llm.models import RouteStrategy
from llm.route_replay import Draft
from llm.selectors import draft_targets
from llm.what_if_answers import Answer
from llm.what_if_cache import CacheAnswer, what_if_cached
from llm.what_if_routes import RouteAnswer, RouteQuestion, what_if_routed
from llm.what_if_words import cache_assumptions, method, route_assumptions

_MOST_TARGETS: Final = 20
STRATEGIES: Final = (
    RouteStrategy.PRIORITY,
    RouteStrategy.WEIGHTED,
    RouteStrategy.CHEAPEST,
)


class DraftTargetSerializer(StrictSerializer):
    """A model of the draft. conditions: as a route's target has them."""

    model = NameField(max_length=265, help_text="provider/name")
    weight = WholeField(min_value=0, max_value=2**31 - 1, default=1)
    conditions = serializers.JSONField(default=dict)

    def validate_model(self, model: str) -> str:
        """Refuse a name without its provider."""
        provider, _slash, name = model.partition("/")
        if not provider or not name:
            raise serializers.ValidationError(
                _("Write the model as provider/name."), "invalid"
            )
        return model

    def validate_conditions(self, conditions: Any) -> Any:
        """Refuse conditions that the gateway would not understand."""
        try:
            check_conditions(conditions)
        except ValueError as error:
            raise serializers.ValidationError(str(error), "invalid") from None
        return conditions


class RouteWhatIfSerializer(StrictSerializer, RangeQuery):
    """The question. Without from and to, the last seven days.

    requested: the route that calls asked for, or the model that they named. targets: who
    would have served them instead; one target is simply another model.
    """

    requested = NameField(max_length=265, help_text="A route, or provider/name.")
    strategy = serializers.ChoiceField(
        [str(each) for each in STRATEGIES],
        default=str(RouteStrategy.PRIORITY),
        help_text="`fastest` cannot be replayed: who was the fastest is not in the ledger.",
    )
    targets = serializers.ListField(
        child=DraftTargetSerializer(), allow_empty=False, max_length=_MOST_TARGETS
    )
    filters = FiltersSerializer(default=dict)

    def validate_targets(self, targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse two targets of one model."""
        if len({target["model"] for target in targets}) < len(targets):
            raise serializers.ValidationError(_("Name each model once."), "duplicate")
        return targets

    def question(self) -> RouteQuestion:
        """Return the question; call it when the data are valid."""
        given = self.validated_data
        return RouteQuestion(
            given["requested"],
            Draft(given["strategy"], draft_targets(given["targets"])),
            given["from"],
            given["to"],
            given["filters"],
        )


class WhatIfFiguresSerializer(serializers.Serializer[Any]):
    """What was asked about, and what it would have cost.

    interval: the ends of the 95 % interval of what_if_usd; equal where all was read.
    percent: null where it cost $0. population: what the figures are of; sampled: how much
    of it was read. unpriced: what is in no figure, because nobody knows what it cost.
    """

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    actual_usd = MoneyField()
    what_if_usd = MoneyField()
    difference_usd = MoneyField()
    percent = serializers.DecimalField(14, 2, allow_null=True)
    interval = serializers.ListField(child=MoneyField(), min_length=2, max_length=2)
    population = serializers.IntegerField()
    sampled = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    method = serializers.SerializerMethodField()

    def get_method(self, answer: Answer) -> str:
        """Return how the figures were found, in a sentence."""
        return method(answer)


class ModelFiguresSerializer(serializers.Serializer[Any]):
    """A model: what it cost, and what it would have cost."""

    model = serializers.CharField()
    actual_usd = MoneyField()
    what_if_usd = MoneyField()
    difference_usd = MoneyField()


class SampledWhatIf(APIView):
    """A question in the body, and the answer of a replay."""

    scopes: ClassVar = {"POST": "read"}
    asked: ClassVar[type[Any]]
    answer: ClassVar[type[WhatIfFiguresSerializer]]
    replay: ClassVar[Callable[[Any], Answer]]

    def post(self, request: Request) -> Response:
        """Replay. Nothing is written."""
        body = self.asked(data=request.data)
        body.is_valid(raise_exception=True)
        question = body.question()
        found = type(self).replay(question)
        return Response(self.answer(found, context={"question": question}).data)


class RoutedModelSerializer(ModelFiguresSerializer):
    """A model: what it served and cost, and what it would have."""

    attempts = serializers.IntegerField(source="count")
    what_if_attempts = serializers.IntegerField(source="what_if_count")


class RouteWhatIfAnswerSerializer(WhatIfFiguresSerializer):
    """The answer; population and sampled are attempts.

    unserved: attempts that no target could have served; they cost what they did.
    """

    unserved = serializers.IntegerField()
    results = RoutedModelSerializer(source="rows", many=True)
    assumptions = serializers.SerializerMethodField()

    def get_assumptions(self, answer: RouteAnswer) -> list[str]:
        """Return what is taken for granted, in sentences."""
        return route_assumptions(self.context["question"].draft, answer)


@extend_schema(
    tags=["costs"],
    request=RouteWhatIfSerializer,
    responses=RouteWhatIfAnswerSerializer,
)
class RouteWhatIf(SampledWhatIf):
    """What calls would have cost had another model, or another route, served them."""

    asked = RouteWhatIfSerializer
    answer = RouteWhatIfAnswerSerializer
    replay = what_if_routed


class CallFiltersSerializer(FiltersSerializer):
    """Which calls: all that is named must match."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Leave out what only an attempt has."""
        fields = super().get_fields()
        del fields["provider"]
        return fields


class CacheWhatIfSerializer(StrictSerializer, RangeQuery):
    """The question. Without from and to, the last seven days."""

    ttl_s = WholeField(
        min_value=1,
        max_value=MOST_TTL_S,
        default=DEFAULT_TTL_S,
        help_text="For how many seconds an answer may be given again.",
    )
    filters = CallFiltersSerializer(default=dict)

    def question(self) -> CacheQuestion:
        """Return the question; call it when the data are valid."""
        given = self.validated_data
        return CacheQuestion(
            given["ttl_s"], given["from"], given["to"], given["filters"]
        )


class CachedModelSerializer(ModelFiguresSerializer):
    """A model: its calls, and how many of them the cache would have answered."""

    calls = serializers.IntegerField(source="count")
    what_if_hits = serializers.IntegerField(source="what_if_count")


class CacheWhatIfAnswerSerializer(WhatIfFiguresSerializer):
    """The answer; population and sampled are calls.

    calls: all that were asked about. fingerprinted: those of which is known who asked for
    the same; all other figures are of those that have a known cost besides. hits: what the
    cache did answer.
    """

    calls = serializers.IntegerField()
    fingerprinted = serializers.IntegerField()
    hits = serializers.IntegerField(source="were_hits")
    what_if_hits = serializers.IntegerField(source="hits")
    results = CachedModelSerializer(source="rows", many=True)
    assumptions = serializers.SerializerMethodField()

    def get_assumptions(self, answer: CacheAnswer) -> list[str]:
        """Return what is taken for granted, in sentences."""
        return cache_assumptions(answer)


@extend_schema(
    tags=["costs"],
    request=CacheWhatIfSerializer,
    responses=CacheWhatIfAnswerSerializer,
)
class CacheWhatIf(SampledWhatIf):
    """What calls would have cost had the cache been on, and kept answers for so long."""

    asked = CacheWhatIfSerializer
    answer = CacheWhatIfAnswerSerializer
    replay = what_if_cached
