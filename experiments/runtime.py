"""Running experiments as the data plane reads them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from devora_ops.common.postgres import Connection
from devora_ops.common.snapshots import Snapshot
from experiments.assignment import assign, row_hash

TABLES: Final = ("experiments_experiment", "experiments_variant")


class Arm(NamedTuple):
    """One variant: its name, its share and the version it stands for."""

    name: str
    weight: int
    version: int


@dataclass(frozen=True, slots=True)
class RunningExperiment:
    """An experiment that calls take part in."""

    slug: str
    salt: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class ExperimentsSnapshot:
    """The running experiment of each prompt, by the prompt's slug."""

    running: Mapping[str, RunningExperiment] = field(default_factory=dict)


class Choice(NamedTuple):
    """Which experiment a unit is in, and what it sees there; unit_hash: a row_hash."""

    experiment: str
    variant: str
    version: int
    unit_hash: int


def choose(snapshot: ExperimentsSnapshot, prompt: str, unit: str) -> Choice | None:
    """Return what a unit sees of a prompt under test; None when nothing is tested."""
    running = snapshot.running.get(prompt)
    if running is None:
        return None
    arm = assign(running.arms, salt=running.salt, unit=unit)
    hashed = row_hash(salt=running.salt, unit=unit)
    return Choice(running.slug, arm.name, arm.version, hashed)


_RUNNING = """
SELECT p.slug, e.slug, e.salt, a.name, a.weight, v.number
FROM experiments_variant AS a
JOIN experiments_experiment AS e ON e.id = a.experiment_id
JOIN prompts_prompt AS p ON p.id = e.prompt_id
JOIN prompts_promptversion AS v ON v.id = a.version_id
WHERE e.status = 'running' ORDER BY a.id
"""


async def load(connection: Connection) -> ExperimentsSnapshot:
    """Read the running experiments with their variants, in their order."""
    rows: list[Any] = await (await connection.execute(_RUNNING)).fetchall()
    arms: defaultdict[tuple[str, str, str], list[Arm]] = defaultdict(list)
    for prompt, slug, salt, *arm in rows:
        arms[prompt, slug, salt].append(Arm(*arm))
    return ExperimentsSnapshot(
        {
            prompt: RunningExperiment(slug, salt, tuple(found))
            for (prompt, slug, salt), found in arms.items()
            if any(arm.weight for arm in found)
        }
    )


def experiments() -> Snapshot[ExperimentsSnapshot]:
    """Return the snapshot of running experiments."""
    return Snapshot(tables=TABLES, load=load, empty=ExperimentsSnapshot())
