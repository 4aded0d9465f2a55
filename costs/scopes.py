"""What a budget's scope names: free text, for history outlives what it names."""

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.db.models import Value
from django.db.models.functions import Concat

from costs.models import Budget

# By label: their floors are above this one, and facts name them by slug only.
_NAMED: Final = {
    "team": "ops.Team",
    "agent": "llm.Agent",
    "model": "llm.Model",
    "prompt": "prompts.Prompt",
    "experiment": "experiments.Experiment",
}


def unknown_names(budget: Budget) -> Iterator[tuple[str, str]]:
    """Yield the parts of a scope that name nothing there is, as (field, value)."""
    for field, label in _NAMED.items():
        value = getattr(budget, field)
        if value and not _exists(label, value):
            yield field, value


def _exists(label: str, value: str) -> bool:
    rows = apps.get_model(label).objects.all()
    if label == "llm.Model":
        named = Concat("provider__slug", Value("/"), "name")
        return bool(rows.annotate(named=named).filter(named=value).exists())
    return bool(rows.filter(slug=value).exists())
