"""Measured values on a terminal."""

from collections.abc import Sequence
from statistics import median


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write the median of repeated measurements, and the lowest and the highest."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set rows in columns, the first one to the left."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def verdict(what: str, value: float, *, least: float = 0, most: float = 0) -> str:
    """Say whether a value is within its bar."""
    held = value >= least if least else value <= most
    bar = f"bar ≥ {least:g}" if least else f"bar ≤ {most:g}"
    return f"{'ok  ' if held else 'MISS'}  {what} {value:.2f} ({bar})"
