"""The figures of the long forms: each printed beside its promise, all of them judged."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.report import table
from tests.chaos.promises import Promise

_HEADS = ("", "promise", "what", "measured", "promised", "how")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside its promise. how: the load, and what is different."""

    promise: Promise
    value: float
    how: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the promise is."""
        return self.promise.is_kept_by(self.value)


@dataclass(slots=True)
class Figures:
    """What was measured so far. judged: whether this run is the long one."""

    judged: bool
    seed: int
    measured: list[Figure] = field(default_factory=list)

    def measure(self, promise: Promise, value: float, how: str = "") -> None:
        """Take a long form's figure down; a missed one fails the run at its end."""
        if self.judged:
            self.measured.append(Figure(promise, value, how))

    @property
    def missed(self) -> list[Figure]:
        """Those that keep their run from passing."""
        return [figure for figure in self.measured if not figure.is_kept]

    def lines(self) -> Iterator[str]:
        """Yield the table's lines, and the seed that makes the run again."""
        ordered = sorted(
            self.measured, key=lambda it: (len(it.promise.name), it.promise.name)
        )
        yield from table(_HEADS, [_cells(figure) for figure in ordered]).splitlines()
        yield f"seed {self.seed}: repeat with -p randomly_seed={self.seed}"


def _cells(figure: Figure) -> list[str]:
    promise = figure.promise
    return [
        "ok" if figure.is_kept else "MISS",
        promise.name,
        promise.what,
        f"{figure.value:,.6g} {promise.unit}".rstrip(),
        promise.bar,
        figure.how,
    ]
