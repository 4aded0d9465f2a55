"""Figures for Plotly, built and validated here; the browser adds theme and colours.

A trace's `meta` says which colour it takes: `slot` (1 to 12, 0 for the rest) of the
palette in the style sheet, or `line` (p50, p95, p99) of the latency family.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from plotly import graph_objects as go

from devora_ops.common import formats
from devora_ops.dashboard.windows import Window

Figure = dict[str, Any]

_PATTERNED_FROM = 7
_SECONDS_FROM_MS = 999.5  # as everywhere else
_MOST_PLACES = 9
_PLOT_HEIGHT = 220  # about what the style sheet leaves for it
_NAME_HEIGHT = 12
_LINE_END: Final = {"xanchor": "left", "xshift": 6, "showarrow": False}
_CLOCK = "%H:%M"
_DAY: Final = {"en": "%b %-d", "fr": "%-d %b"}
_WEEKDAY: Final = {"en": "%a %-d", "fr": "%a %-d"}
_HOVER_DAY: Final = {"en": "%A, %B %-d", "fr": "%A %-d %B"}
_HOVER_CLOCK: Final = {"en": "%a %b %-d, %H:%M", "fr": "%a %-d %b, %H:%M"}


@dataclass(frozen=True, slots=True)
class Stack:
    """One colour of a stacked chart; texts: its values as the tooltip shows them."""

    key: str
    label: str
    slot: int
    values: Sequence[Decimal]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the latency chart, in milliseconds; None is a gap."""

    key: str
    values: Sequence[float | None]


def stacked_bars(
    stacks: Sequence[Stack], window: Window, *, totals: Sequence[str], money: bool
) -> Figure:
    """Draw stacked bars; the last bucket is hatched as long as it is not over."""
    times = _times(window)
    hatched = [*[False] * (len(times) - 1), not window.over]
    figure = go.Figure(
        [_bar(stack, times, hatched) for stack in stacks],
        layout=_layout(window) | {"barmode": "stack", "bargap": 0.15},
    )
    figure.add_trace(_note(times, totals))
    tops = [sum(values) for values in zip(*(one.values for one in stacks), strict=True)]
    axis = _dollars(max(tops, default=Decimal(0))) if money else _large()
    figure.update_yaxes(rangemode="tozero", **axis)
    return _plain(figure)


def lines(
    drawn: Sequence[Line], window: Window, *, notes: Sequence[str], logarithmic: bool
) -> Figure:
    """Draw latency lines with their names at their ends."""
    known = [v for line in drawn for v in line.values if v is not None]
    seconds = max(known) >= _SECONDS_FROM_MS
    factor, unit = (0.001, "s") if seconds else (1.0, "ms")
    times = _times(window)
    figure = go.Figure(layout=_layout(window))
    ends = [_end_of(line, times) for line in drawn]
    scale = math.log10 if logarithmic else float
    heights = [scale(end[1] * factor) if end else None for end in ends]
    floor = min(known) * factor if logarithmic else 0.0
    lifts = _lifts(heights, scale(floor), scale(max(known) * factor))
    for line, end, height, lift in zip(drawn, ends, heights, lifts, strict=True):
        figure.add_trace(_line(line, times, factor))
        if end:
            # A logarithmic axis takes the places of annotations as exponents.
            figure.add_annotation(
                x=end[0], y=height, text=line.key, yshift=lift, **_LINE_END
            )
    figure.add_trace(_note(times, notes, y=min(known) * factor))
    figure.update_yaxes(
        ticksuffix=f"{formats.NARROW_SPACE}{unit}",
        type="log" if logarithmic else "linear",
        **({"dtick": "D2"} if logarithmic else {"rangemode": "tozero"}),
    )
    figure.update_layout(margin_r=40)
    return _plain(figure)


def _lifts(heights: Sequence[float | None], low: float, high: float) -> list[float]:
    """Return how many pixels each name is lifted so that none lies on one below it.

    low, high: what the axis shows.
    """
    pixel = (high - low) / _PLOT_HEIGHT or 1.0
    below = -math.inf
    lifts = []
    for height in heights:
        own = -math.inf if height is None else (height - low) / pixel
        place = max(own, below + _NAME_HEIGHT)
        lifts.append(0.0 if height is None else round(place - own, 1))
        below = below if height is None else place
    return lifts


def warm_up() -> None:
    """Build one figure: the first one costs half a second, better before a request."""
    _plain(go.Figure([go.Bar(x=[0], y=[0]), go.Scatter(x=[0], y=[0])]))


def _bar(stack: Stack, times: Sequence[str], hatched: Sequence[bool]) -> go.Bar:
    usual, unfinished = ("/", "x") if stack.slot >= _PATTERNED_FROM else ("", "/")
    return go.Bar(
        name=stack.label,
        x=times,
        # Nothing rather than zero: the tooltip leaves such rows out.
        y=[float(value) or None for value in stack.values],
        customdata=stack.texts,
        hovertemplate="%{customdata}<extra>%{fullData.name}</extra>",
        marker_pattern_shape=[unfinished if last else usual for last in hatched],
        meta={"slot": stack.slot, "key": stack.key},
    )


def _line(line: Line, times: Sequence[str], factor: float) -> go.Scatter:
    return go.Scatter(
        name=line.key,
        mode="lines+markers",
        x=times,
        y=[None if v is None else v * factor for v in line.values],
        customdata=[formats.latency(v) for v in line.values],
        hovertemplate="%{customdata}<extra>%{fullData.name}</extra>",
        connectgaps=False,
        # Markers show only where a point has no neighbour to draw a line to.
        marker_size=[4 if alone else 0 for alone in _alone(line.values)],
        meta={"line": line.key},
    )


def _note(times: Sequence[str], notes: Sequence[str], *, y: float = 0) -> go.Scatter:
    """Return a trace that cannot be seen: the last row of the tooltip."""
    return go.Scatter(
        name="",
        mode="markers",
        marker_opacity=0,
        x=times,
        y=[y] * len(times),
        customdata=notes,
        hovertemplate="<b>%{customdata}</b><extra></extra>",
        showlegend=False,
        meta={"note": True},
    )


def _end_of(line: Line, times: Sequence[str]) -> tuple[str, float] | None:
    ends = [(t, v) for t, v in zip(times, line.values, strict=True) if v is not None]
    return ends[-1] if ends else None


def _alone(values: Sequence[float | None]) -> list[bool]:
    padded = [None, *values, None]
    return [
        middle is not None and before is None and after is None
        for before, middle, after in zip(padded, values, padded[2:], strict=False)
    ]


def _times(window: Window) -> list[str]:
    # Without an offset: Plotly would turn it into UTC.
    return [f"{start:%Y-%m-%dT%H:%M}" for start in window.local_starts()]


def _layout(window: Window) -> dict[str, Any]:
    language = formats.locale()[:2]
    day = window.daily
    hours = window.range.resolution == "three_hours"
    tick = _DAY if day else _WEEKDAY if hours else None
    hover = _HOVER_DAY if day else _HOVER_CLOCK
    return {
        "hovermode": "x unified",
        "dragmode": False,
        "showlegend": False,
        "separators": f",{formats.NARROW_SPACE}" if language == "fr" else ".,",
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {
            "type": "date",
            "nticks": 7,
            "automargin": True,
            "fixedrange": True,
            "tickformat": tick.get(language, tick["en"]) if tick else _CLOCK,
            "hoverformat": hover.get(language, hover["en"]),
        },
        "yaxis": {"nticks": 6, "automargin": True, "fixedrange": True},
    }


def _dollars(largest: Decimal) -> dict[str, Any]:
    """Write ticks as amounts: Plotly would shorten $0.0001 to $100µ."""
    places, trim = 2 if 0 < largest < 5 else 0, ""
    if 0 < largest < Decimal("0.1"):
        places, trim = min(_MOST_PLACES, 1 - largest.adjusted()), "~"
    return {"tickformat": f",.{places}{trim}f", **_dollar_sign()}


def _dollar_sign() -> dict[str, Any]:
    if formats.locale().startswith("fr"):
        return {"ticksuffix": f"{formats.NARROW_SPACE}$"}
    return {"tickprefix": "$"}


def _large() -> dict[str, Any]:
    return {"tickformat": "~s"}


def _plain(figure: go.Figure) -> Figure:
    figure.update_layout(template="none")
    plain: Figure = figure.to_plotly_json()
    plain["layout"].pop("template", None)
    return plain
