"""Small lines drawn by the server: a tile needs no chart library to be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

WIDTH, HEIGHT = 100.0, 28.0
_MARGIN = 2.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sparkline:
    """SVG path data in a box of WIDTH × HEIGHT: the line, and the area under it."""

    line: str
    area: str


def sparkline(
    values: Sequence[float | None], *, from_zero: bool = True
) -> Sparkline | None:
    """Draw values from left to right; None is a gap. None when there is nothing."""
    known = [value for value in values if value is not None]
    if not any(known):
        return None
    low, high = (0.0 if from_zero else min(known)), max(known)
    points = [
        None if value is None else (_x(place, len(values)), _y(value, low, high))
        for place, value in enumerate(values)
    ]
    runs = [
        [point for point in run if point is not None]
        for present, run in groupby(points, key=lambda point: point is not None)
        if present
    ]
    return Sparkline("".join(map(_line, runs)), "".join(map(_area, runs)))


def _x(place: int, places: int) -> float:
    return WIDTH * place / max(1, places - 1)


def _y(value: float, low: float, high: float) -> float:
    span = (high - low) or 1.0
    return HEIGHT - _MARGIN - (value - low) / span * (HEIGHT - 2 * _MARGIN)


def _line(run: Sequence[Point]) -> str:
    # A single point is drawn as a dash, or it would not be seen.
    points = run if len(run) > 1 else [run[0], (run[0][0] + 0.5, run[0][1])]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _area(run: Sequence[Point]) -> str:
    first, last = run[0][0], run[-1][0]
    return f"{_line(run)}L{last:.1f} {HEIGHT}L{first:.1f} {HEIGHT}Z"
