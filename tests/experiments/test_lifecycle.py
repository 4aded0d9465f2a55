"""From draft to promoted winner, and the steps that are refused."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from devora_ops.common.errors import DevoraError
from devora_ops.common.models import AuditEntry
from experiments.models import Experiment, Variant
from experiments.services import (
    NewVariant,
    experiment_create,
    experiment_promote,
    experiment_start,
    experiment_stop,
    unit_assign,
    variant_add,
)
from prompts.services import prompt_create
from tests.experiments.conftest import DEFINITION


def _start(experiment):
    return experiment_start(experiment=experiment, actor="user:ada")


def _refused(error, status, code):
    assert (error.value.status, error.value.code) == (status, code)


def test_an_experiment_runs_stops_and_has_a_winner(draft, greeting):
    running = _start(draft)
    assert (running.status, running.stopped_at) == ("running", None)
    assert running.started_at is not None
    stopped = experiment_stop(experiment=running, actor="user:ada")
    assert stopped.status == "stopped"
    done = experiment_promote(experiment=stopped, variant="short", actor="user:bo")
    assert (done.status, done.winner) == ("done", "short")
    assert greeting.labels.numbers() == {"production": 2}
    steps = AuditEntry.objects.filter(object_type="experiment").order_by("at")
    assert [s.action for s in steps] == ["create", "start", "stop", "promote"]


def test_a_running_experiment_can_be_promoted_to_any_label(draft, greeting):
    experiment_promote(
        experiment=_start(draft), variant="short", label="next", actor="user:ada"
    )
    assert greeting.labels.numbers() == {"next": 2, "production": 1}


@pytest.mark.parametrize(
    ("variants", "code"),
    [
        ([], "too_few_variants"),
        ([NewVariant("a", 1)], "too_few_variants"),
        ([NewVariant("a", 1, 0), NewVariant("b", 2, 0)], "no_weight"),
    ],
)
def test_it_starts_with_enough_to_compare_only(greeting, variants, code):
    draft = experiment_create(
        slug="x", prompt=greeting, variants=variants, actor="user:ada"
    )
    with pytest.raises(DevoraError) as error:
        _start(draft)
    _refused(error, 422, code)
    assert Experiment.objects.get().status == "draft"


def test_a_negative_weight_is_refused_by_rule_and_by_database(draft):
    with pytest.raises(ValidationError):
        variant_add(experiment=draft, variant=NewVariant("c", 1, -1))
    with pytest.raises(IntegrityError), transaction.atomic():
        Variant.objects.update(weight=-1)


def test_variants_are_of_the_experiments_prompt(draft, greeting):
    prompt_create(slug="o", name="O", definition=DEFINITION, actor="user:ada")
    with pytest.raises(DevoraError) as error:
        variant_add(experiment=draft, variant=NewVariant("c", 3))
    _refused(error, 404, "version_not_found")


def test_one_experiment_at_a_time_runs_on_a_prompt(draft, greeting):
    _start(draft)
    other = experiment_create(
        slug="other",
        prompt=greeting,
        variants=[NewVariant("a", 1), NewVariant("b", 2)],
        actor="user:ada",
    )
    with pytest.raises(DevoraError) as error:
        _start(other)
    _refused(error, 409, "experiment_running")


@pytest.mark.parametrize(
    "step",
    [
        lambda e: experiment_stop(experiment=e, actor="user:ada"),
        lambda e: experiment_promote(experiment=e, variant="short", actor="user:ada"),
        lambda e: unit_assign(experiment=e, unit="u"),
    ],
)
def test_a_draft_can_only_be_started(draft, step):
    with pytest.raises(DevoraError) as error:
        step(draft)
    _refused(error, 409, "wrong_status")


def test_what_runs_is_not_started_or_changed_again(draft):
    running = _start(draft)
    for step in (
        lambda: _start(running),
        lambda: variant_add(experiment=running, variant=NewVariant("c", 1)),
    ):
        with pytest.raises(DevoraError) as error:
            step()
        _refused(error, 409, "wrong_status")


def test_a_winner_is_one_of_the_variants(draft):
    with pytest.raises(DevoraError) as error:
        experiment_promote(experiment=_start(draft), variant="x", actor="user:ada")
    _refused(error, 404, "variant_not_found")


def test_a_prompt_under_test_is_not_deleted(draft, greeting):
    from django.db.models import ProtectedError

    with pytest.raises(ProtectedError):
        greeting.delete()
