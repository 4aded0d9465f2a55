"""Where a budget is heading."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costs.budgets import budget_states
from costs.forecast import LOOKS_BACK_DAYS, SEASONAL_DAYS
from costs.models import Budget
from costs.outlook import budget_forecast
from devora_ops.common.rest.fields import MoneyField

METHODS = {
    "weekdays": f"The means of the last {LOOKS_BACK_DAYS} days' weekdays.",
    "pace": f"The mean of all days: fewer than {SEASONAL_DAYS} are known.",
    "none": "Too early: it takes three days of spend.",
}


class ForecastSerializer(serializers.Serializer[Any]):
    """What the running period comes to; it ends in the band 4 times out of 5."""

    period_end = serializers.DateTimeField(allow_null=True)
    limit_usd = MoneyField()
    spent_usd = MoneyField()
    forecast_usd = MoneyField(allow_null=True)
    low_usd = MoneyField(allow_null=True)
    high_usd = MoneyField(allow_null=True)
    method = serializers.ChoiceField([*METHODS])
    method_text = serializers.CharField()


@extend_schema(tags=["budgets"])
class BudgetForecast(generics.GenericAPIView[Budget]):
    """What a budget's running period comes to, with an 80 % band."""

    scopes: ClassVar = {"GET": "read"}
    queryset = Budget.objects.all()
    serializer_class = ForecastSerializer

    def get(self, request: Request, pk: int) -> Response:
        """Return a budget's forecast; null amounts where there is none."""
        budget = self.get_object()
        state = budget_states([budget.pk])[budget.pk]
        said = budget_forecast(
            budget, spent=state.spent, ends=state.end, now=timezone.now()
        )
        method = said.method if said else "none"
        facts = {
            "period_end": state.end,
            "limit_usd": budget.limit_usd,
            "spent_usd": state.spent,
            "forecast_usd": said and said.usd,
            "low_usd": said and said.low,
            "high_usd": said and said.high,
            "method": method,
            "method_text": METHODS[method],
        }
        return Response(ForecastSerializer(facts).data)
