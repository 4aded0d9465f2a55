"""The REST addresses of the ledger, below /api/v1/."""

from django.urls import path

from costs.api.alerts import AlertList
from costs.api.budget_previews import BudgetPreview
from costs.api.budgets import BudgetDetail, BudgetList
from costs.api.calls import AttemptList, CallDetail, CallList
from costs.api.explain import CostExplanation
from costs.api.forecasts import BudgetForecast
from costs.api.invoices import InvoiceCheck
from costs.api.price_imports import PriceImport
from costs.api.price_watch import PriceDrift, UnpricedModels
from costs.api.prices import PriceList
from costs.api.repricing import PriceReprice
from costs.api.scores import CallScore
from costs.api.sums import CostSummary, MetricsOverview
from costs.api.what_if import WhatIf

urlpatterns = [
    path("calls/", CallList.as_view(), name="costs-call-list"),
    path("calls/<uuid:pk>/", CallDetail.as_view(), name="costs-call-detail"),
    path("calls/<uuid:pk>/score/", CallScore.as_view(), name="costs-call-score"),
    path("attempts/", AttemptList.as_view(), name="costs-attempt-list"),
    path("costs/explain/", CostExplanation.as_view(), name="costs-spend-explain"),
    path("costs/invoices/", InvoiceCheck.as_view(), name="costs-invoice-check"),
    path("costs/", CostSummary.as_view(), name="costs-spend-list"),
    path("costs/what-if/", WhatIf.as_view(), name="costs-what-if"),
    path("metrics/overview/", MetricsOverview.as_view(), name="costs-metrics-overview"),
    path("prices/", PriceList.as_view(), name="costs-price-list"),
    path("alerts/", AlertList.as_view(), name="costs-alert-list"),
    path("prices/import/", PriceImport.as_view(), name="costs-price-import"),
    path("prices/unpriced/", UnpricedModels.as_view(), name="costs-price-unpriced"),
    path("prices/reprice/", PriceReprice.as_view(), name="costs-price-reprice"),
    path("prices/drift/", PriceDrift.as_view(), name="costs-price-drift"),
    path("budgets/", BudgetList.as_view(), name="costs-budget-list"),
    path("budgets/preview/", BudgetPreview.as_view(), name="costs-budget-preview"),
    path("budgets/<int:pk>/", BudgetDetail.as_view(), name="costs-budget-detail"),
    path(
        "budgets/<int:pk>/forecast/",
        BudgetForecast.as_view(),
        name="costs-budget-forecast",
    ),
]
