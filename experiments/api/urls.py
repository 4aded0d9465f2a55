"""The REST addresses of experiments, below /api/v1/."""

from django.urls import path

from experiments.api.views import (
    AssignUnit,
    ExperimentDetail,
    ExperimentList,
    ExperimentSummary,
    OutcomeList,
    PromoteVariant,
    StartExperiment,
    StopExperiment,
)

_ONE = "experiments/<slug:slug>/"

urlpatterns = [
    path("experiments/", ExperimentList.as_view(), name="experiments-experiment-list"),
    path(_ONE, ExperimentDetail.as_view(), name="experiments-experiment-detail"),
    path(
        f"{_ONE}start/",
        StartExperiment.as_view(),
        name="experiments-experiment-start",
    ),
    path(f"{_ONE}stop/", StopExperiment.as_view(), name="experiments-experiment-stop"),
    path(
        f"{_ONE}promote/",
        PromoteVariant.as_view(),
        name="experiments-experiment-promote",
    ),
    path(f"{_ONE}assign/", AssignUnit.as_view(), name="experiments-unit-assign"),
    path(f"{_ONE}outcomes/", OutcomeList.as_view(), name="experiments-outcome-list"),
    path(
        f"{_ONE}summary/",
        ExperimentSummary.as_view(),
        name="experiments-experiment-summary",
    ),
]
