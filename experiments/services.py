"""Writes: an experiment's life from draft to promoted winner, and what units did."""

import math
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.models import Call
from costs.scores import check_score, score_record
from devora_ops.common.audit import record
from devora_ops.common.errors import Conflict, InvalidRequest, NotFound, Unprocessable
from experiments.assignment import assign, row_hash
from experiments.models import (
    Experiment,
    Exposure,
    Metric,
    Outcome,
    Status,
    Variant,
)
from prompts.models import Prompt, PromptVersion
from prompts.runtime import DEFAULT_LABEL
from prompts.services import label_move

_MOST_VALUE = 1e12
_BINARY = frozenset({"success", "completed"})
_QUALITY = "quality"
_STANDARD_METRICS = frozenset(Metric.values) | {_QUALITY, "completed", "thumbs"}


@dataclass(frozen=True, slots=True)
class NewVariant:
    """One candidate of a new experiment; version is its number."""

    name: str
    version: int
    weight: int = 1


@transaction.atomic
def experiment_create(
    *,
    slug: str,
    prompt: Prompt,
    variants: Sequence[NewVariant],
    actor: str,
    request_id: str = "",
    **settings: Any,
) -> Experiment:
    """Make a draft. settings: the model's other fields. Raises ValidationError."""
    experiment = Experiment(
        slug=slug, prompt=prompt, salt=secrets.token_hex(8), **settings
    )
    experiment.full_clean()
    experiment.save()
    for variant in variants:
        variant_add(experiment=experiment, variant=variant)
    record(
        actor=actor,
        request_id=request_id,
        action="create",
        object_type="experiment",
        object_id=slug,
        after={"prompt": prompt.slug, "variants": [v.name for v in variants]},
    )
    return experiment


@transaction.atomic
def experiment_change(
    *, experiment: Experiment, actor: str, request_id: str = ""
) -> Experiment:
    """Save the changed fields of a draft. Raises ValidationError, Conflict."""
    _expect(_locked(experiment), Status.DRAFT)
    experiment.full_clean()
    experiment.save()
    _record(experiment, "change", actor, request_id)
    return experiment


def variant_add(*, experiment: Experiment, variant: NewVariant) -> Variant:
    """Add a candidate to a draft. Raises ValidationError, NotFound, Conflict."""
    _expect(experiment, Status.DRAFT)
    added = Variant(
        experiment=experiment,
        name=variant.name,
        version=_version(experiment.prompt, variant.version),
        weight=variant.weight,
    )
    added.full_clean()
    added.save()
    return added


@transaction.atomic
def experiment_start(
    *, experiment: Experiment, actor: str, request_id: str = ""
) -> Experiment:
    """Let calls take part, within a second.

    Raises Conflict when it is no draft or another runs on the prompt, Unprocessable
    when there are fewer than two variants with a weight.
    """
    experiment = _locked(experiment)
    _expect(experiment, Status.DRAFT)
    check_variants([variant.weight for variant in experiment.variants.all()])
    experiment.status = Status.RUNNING
    experiment.started_at = timezone.now()
    try:
        with transaction.atomic():
            experiment.save()
    except IntegrityError as error:
        message = _("Another experiment runs on this prompt: stop it first.")
        raise Conflict(message, code="experiment_running") from error
    _record(experiment, "start", actor, request_id)
    return experiment


@transaction.atomic
def experiment_stop(
    *, experiment: Experiment, actor: str, request_id: str = ""
) -> Experiment:
    """End a running experiment; calls follow the labels again."""
    experiment = _locked(experiment)
    _expect(experiment, Status.RUNNING)
    experiment.status = Status.STOPPED
    experiment.stopped_at = timezone.now()
    experiment.save()
    _record(experiment, "stop", actor, request_id)
    return experiment


@transaction.atomic
def experiment_promote(
    *,
    experiment: Experiment,
    variant: str,
    actor: str,
    request_id: str = "",
    label: str = DEFAULT_LABEL,
) -> Experiment:
    """Move a label to a variant's version and close the experiment."""
    experiment = _locked(experiment)
    _expect(experiment, Status.RUNNING, Status.STOPPED)
    chosen = _variant(experiment, variant)
    label_move(
        prompt=experiment.prompt,
        label=label,
        number=chosen.version.number,
        actor=actor,
        request_id=request_id,
    )
    experiment.status = Status.DONE
    experiment.winner = chosen.name
    experiment.stopped_at = experiment.stopped_at or timezone.now()
    experiment.save()
    _record(experiment, "promote", actor, request_id)
    return experiment


def unit_assign(*, experiment: Experiment, unit: str) -> Variant:
    """Return the variant a unit sees, and remember its first exposure.

    Raises Conflict when the experiment does not run.
    """
    _expect(experiment, Status.RUNNING)
    variants = list(experiment.variants.select_related("version").order_by("id"))
    exposure, _created = Exposure.objects.select_related(
        "variant__version"
    ).get_or_create(
        experiment=experiment,
        unit_hash=row_hash(salt=experiment.salt, unit=unit),
        defaults={"variant": assign(variants, salt=experiment.salt, unit=unit)},
    )
    return exposure.variant


@transaction.atomic
def outcome_record(
    *,
    experiment: Experiment,
    metric: str,
    value: float,
    unit: str | None = None,
    call_id: uuid.UUID | None = None,
    actor: str = "",
) -> Outcome:
    """Store what came of a unit or of a call; the quality of a call is its score too.

    Raises NotFound for one that took no part, Unprocessable for a metric that nobody
    declared, Conflict before the start.
    """
    if experiment.status == Status.DRAFT:
        raise _conflict(experiment)
    _check_value(metric, value)
    _check_metric(experiment, metric)
    outcome = Outcome(experiment=experiment, metric=metric, value=value)
    if call_id is not None:
        outcome.call_id = call_id
        outcome.variant = _variant_of_call(experiment, call_id)
    else:
        exposure = _exposed(experiment, unit or "")
        outcome.unit_hash = exposure.unit_hash
        outcome.variant = exposure.variant
    outcome.save()
    if call_id is not None and metric == _QUALITY:
        score_record(call_id=call_id, value=value, scored_by=actor)
    return outcome


def check_variants(weights: Sequence[int]) -> None:
    """Raise Unprocessable unless these weights make an experiment."""
    if len(weights) < 2:
        message = _("An experiment needs at least two variants.")
        raise Unprocessable(message, code="too_few_variants", param="variants")
    if sum(weights) <= 0:
        message = _("At least one variant needs a weight above zero.")
        raise Unprocessable(message, code="no_weight", param="variants")


def _check_value(metric: str, value: float) -> None:
    if not math.isfinite(value):
        raise InvalidRequest(_("A finite number is needed."), param="value")
    if metric == _QUALITY:
        check_score(value)
    # Sums of squares have to stay numbers; a rate is counted in ones.
    if abs(value) > _MOST_VALUE or (metric in _BINARY and value not in (0, 1)):
        raise InvalidRequest(
            _("Rates take 0 or 1, other metrics values up to a trillion."),
            param="value",
        )


def _check_metric(experiment: Experiment, metric: str) -> None:
    """Refuse a name that no decision would ever look at, such as a misspelt one."""
    known = _STANDARD_METRICS | {experiment.primary_metric, *_guarded(experiment)}
    if metric not in known:
        message = _("Nobody declared the metric %(metric)s; use one of %(known)s.")
        values = {"metric": metric, "known": ", ".join(sorted(known))}
        raise Unprocessable(message % values, code="unknown_metric", param="metric")


def _guarded(experiment: Experiment) -> Iterator[str]:
    """Yield the guardrails' metrics: they are names, or objects with a `metric`."""
    for each in experiment.guardrails:
        name = each.get("metric") if isinstance(each, dict) else each
        if isinstance(name, str):
            yield name


def _exposed(experiment: Experiment, unit: str) -> Exposure:
    hashed = row_hash(salt=experiment.salt, unit=unit)
    found = (
        Exposure.objects.select_related("variant")
        .filter(experiment=experiment, unit_hash=hashed)
        .first()
    )
    if found is None:
        message = _("This unit has seen no variant: assign it, or name it in a call.")
        raise NotFound(message, code="unit_not_exposed", param="unit")
    return found


def _variant_of_call(experiment: Experiment, call_id: uuid.UUID) -> Variant:
    call = Call.objects.filter(pk=call_id, experiment=experiment.slug).first()
    if call is None:
        message = _("This call was no part of the experiment.")
        raise NotFound(message, code="not_exposed", param="call_id")
    return _variant(experiment, call.variant)


def _locked(experiment: Experiment) -> Experiment:
    return (
        Experiment.objects.select_for_update(of=("self",))
        .select_related("prompt")
        .get(pk=experiment.pk)
    )


def _expect(experiment: Experiment, *statuses: Status) -> None:
    if experiment.status not in statuses:
        raise _conflict(experiment)


def _conflict(experiment: Experiment) -> Conflict:
    message = _("The experiment is %(status)s.")
    values: Mapping[str, str] = {"status": experiment.get_status_display()}
    return Conflict(message % values, code="wrong_status", param="status")


def _version(prompt: Prompt, number: int) -> PromptVersion:
    found = PromptVersion.objects.filter(prompt=prompt, number=number).first()
    if found is None:
        message = _("%(slug)s has no version %(number)s.")
        values = {"slug": prompt.slug, "number": number}
        raise NotFound(message % values, code="version_not_found", param="variants")
    return found


def _variant(experiment: Experiment, name: str) -> Variant:
    found = experiment.variants.filter(name=name).select_related("version").first()
    if found is None:
        raise NotFound(_("There is no such variant."), code="variant_not_found")
    return found


def _record(
    experiment: Experiment, action: str, actor: str, request_id: str = ""
) -> None:
    record(
        actor=actor,
        request_id=request_id,
        action=action,
        object_type="experiment",
        object_id=experiment.slug,
        after={"status": experiment.status, "winner": experiment.winner},
    )
