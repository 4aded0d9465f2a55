"""Reads: experiments with their variants, and what was counted so far."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Avg, Count, Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.selectors import Slice, Spend, spend_by
from devora_ops.common.errors import NotFound
from experiments.models import Experiment, Outcome, Variant

_UTC = ZoneInfo("UTC")
_MOST_VARIANTS = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of one variant; outcomes: metric → {n, mean}."""

    variant: Variant
    exposures: int
    calls: int
    cost_usd: Decimal
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)


def experiments_with_variants() -> QuerySet[Experiment]:
    """Return experiments with prompt, variants and versions ready to read."""
    variants = Variant.objects.select_related("version").order_by("id")
    return Experiment.objects.select_related("prompt").prefetch_related(
        Prefetch("variants", queryset=variants)
    )


def experiment_by_slug(slug: str) -> Experiment:
    """Return an experiment, or raise NotFound."""
    found = experiments_with_variants().filter(slug=slug).first()
    if found is None:
        raise NotFound(_("There is no such experiment."), code="experiment_not_found")
    return found


def tallies(experiment: Experiment) -> list[Tally]:
    """Return the counts of each variant, in their order."""
    exposed = dict(
        experiment.exposures.values_list("variant_id").annotate(n=Count("id"))
    )
    spent = _spent(experiment)
    outcomes = _outcomes(experiment)
    return [
        Tally(
            variant=variant,
            exposures=exposed.get(variant.pk, 0),
            calls=spent[variant.name].calls if variant.name in spent else 0,
            cost_usd=spent[variant.name].cost_usd
            if variant.name in spent
            else Decimal(),
            outcomes=outcomes[variant.pk],
        )
        for variant in experiment.variants.all()
    ]


def _spent(experiment: Experiment) -> dict[str, Spend]:
    """Calls and cost by variant; one experiment at a time runs on a prompt."""
    if experiment.started_at is None:
        return {}
    end = experiment.stopped_at or timezone.now()
    part = Slice(experiment.started_at, end, {"prompt": experiment.prompt.slug})
    rows = spend_by(("variant",), part.widened(), zone=_UTC, limit=_MOST_VARIANTS)
    return {row.keys["variant"]: row for row in rows}


def _outcomes(experiment: Experiment) -> defaultdict[int, dict[str, dict[str, Any]]]:
    rows = (
        Outcome.objects.filter(experiment=experiment)
        .values_list("variant_id", "metric")
        .annotate(n=Count("id"), mean=Avg("value"))
        .order_by("variant_id", "metric")
    )
    found: defaultdict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for variant_id, metric, n, mean in rows:
        found[variant_id][metric] = {"n": n, "mean": mean}
    return found
