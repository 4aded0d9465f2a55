"""The REST addresses of the ledger, below /api/v1/."""

from django.urls import path

from costs.api.budget_previews import BudgetPreview
from costs.api.budgets import BudgetDetail, BudgetList
from costs.api.calls import CallDetail, CallList
from costs.api.prices import PriceList
from costs.api.scores import CallScore
from costs.api.sums import CostSummary, MetricsOverview

urlpatterns = [
    path("calls/", CallList.as_view(), name="costs-call-list"),
    path("calls/<uuid:pk>/", CallDetail.as_view(), name="costs-call-detail"),
    path("calls/<uuid:pk>/score/", CallScore.as_view(), name="costs-call-score"),
    path("costs/", CostSummary.as_view(), name="costs-spend-list"),
    path("metrics/overview/", MetricsOverview.as_view(), name="costs-metrics-overview"),
    path("prices/", PriceList.as_view(), name="costs-price-list"),
    path("budgets/", BudgetList.as_view(), name="costs-budget-list"),
    path("budgets/preview/", BudgetPreview.as_view(), name="costs-budget-preview"),
    path("budgets/<int:pk>/", BudgetDetail.as_view(), name="costs-budget-detail"),
]
