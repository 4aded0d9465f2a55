"""The demo's prompts with versions as old as the calls they served, and its experiment."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Final, TypeVar

from devora_ops.demo.cast import ACTOR, EXPERIMENT, VARIANTS
from devora_ops.demo.prompts import DemoPrompt, demo_prompts
from devora_ops.simulator.cast import REVIEWER, SUPPORT
from devora_ops.simulator.history import SimulatedCall
from devora_ops.simulator.story import Story
from experiments.assignment import unit_hash
from experiments.models import Experiment, Exposure, Metric, Outcome, Variant
from experiments.services import NewVariant, experiment_create, experiment_start
from prompts.definition import checked
from prompts.models import Label, Prompt, PromptVersion
from prompts.runtime import DEFAULT_LABEL
from prompts.services import label_move

_SIGN: Final = 1 << 63  # hashes are unsigned, their column is not
_SAY_SO: Final = 0.55  # the share of people who say whether it helped
_HELPED: Final = 0.72

Row = TypeVar("Row", Exposure, Outcome)


def make_prompts(*, now: dt.datetime) -> None:
    """Make the prompts; the code review's new version was promoted in mid-history."""
    for name, prompt in demo_prompts().items():
        made = _prompt(prompt, now=now)
        label_move(
            prompt=made, label=DEFAULT_LABEL, number=prompt.production, actor=ACTOR
        )
        promoted = _released(prompt, prompt.production, now=now)
        if name == REVIEWER.prompt:
            promoted = Story(now).promotion
        Label.objects.filter(prompt=made).update(moved_at=promoted)


def make_experiment(*, now: dt.datetime) -> Experiment:
    """Make the experiment on shorter support answers, which has been running a while."""
    prompt = Prompt.objects.get(slug=demo_prompts()[SUPPORT.prompt].slug)
    experiment = experiment_create(
        slug=EXPERIMENT,
        prompt=prompt,
        variants=[NewVariant(name, number) for name, number in VARIANTS.items()],
        hypothesis="Three sentences help as much as five, and cost less.",
        actor=ACTOR,
    )
    experiment_start(experiment=experiment, actor=ACTOR)
    began = Story(now).experiment
    Experiment.objects.filter(pk=experiment.pk).update(
        created_at=began - dt.timedelta(hours=18), started_at=began
    )
    return experiment


class Participants:
    """Who took part in the experiment since when, collected from the history."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._first: dict[str, SimulatedCall] = {}

    def add(self, call: SimulatedCall) -> None:
        """Take note of the first call of a person."""
        if call.experiment:
            self._first.setdefault(call.user, call)

    def write(self) -> None:
        """Store what each person saw first, and what some said of it afterwards."""
        variants = {each.name: each for each in self._experiment.variants.all()}
        dice = Random(len(self._first))
        exposures: list[Exposure] = []
        outcomes: list[Outcome] = []
        for call in self._first.values():
            variant = variants[call.variant]
            exposures.append(self._exposure(call, variant))
            if dice.random() < _SAY_SO:
                helped = float(dice.random() < _HELPED)
                outcomes.append(self._outcome(call, variant, helped))
        _create(exposures)
        _create(outcomes)

    def _exposure(self, call: SimulatedCall, variant: Variant) -> Exposure:
        return Exposure(
            experiment=self._experiment,
            unit_hash=self._hash(call),
            variant=variant,
            at=call.at,
        )

    def _outcome(self, call: SimulatedCall, variant: Variant, helped: float) -> Outcome:
        return Outcome(
            experiment=self._experiment,
            variant=variant,
            unit_hash=self._hash(call),
            metric=Metric.SUCCESS,
            value=helped,
            at=call.at + dt.timedelta(minutes=7),
        )

    def _hash(self, call: SimulatedCall) -> int:
        return unit_hash(salt=self._experiment.salt, unit=call.user) - _SIGN


def _create(rows: Sequence[Row]) -> None:
    """Insert rows, then date them: on insertion their time is always the present."""
    if not rows:
        return
    moments = [row.at for row in rows]
    table = type(rows[0])._default_manager
    made = table.bulk_create(rows)
    for row, at in zip(made, moments, strict=True):
        row.at = at
    table.bulk_update(made, ["at"], batch_size=500)


def _prompt(prompt: DemoPrompt, *, now: dt.datetime) -> Prompt:
    made = Prompt(slug=prompt.slug, name=prompt.name)
    made.full_clean()
    made.save()
    for number, content in enumerate(prompt.contents(), start=1):
        version = PromptVersion(
            prompt=made,
            number=number,
            note=prompt.releases[number - 1].note,
            created_by=ACTOR,
            created_at=_released(prompt, number, now=now),
            **asdict(checked(content)),
        )
        # Raw keeps created_at: a version is never changed, not even by us afterwards.
        version.save_base(raw=True, force_insert=True)
    Prompt.objects.filter(pk=made.pk).update(created_at=_released(prompt, 1, now=now))
    return made


def _released(prompt: DemoPrompt, number: int, *, now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(days=prompt.releases[number - 1].days_ago)
