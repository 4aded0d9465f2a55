"""The two charts: a figure, the sentence that says what it shows, and its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils import formats as django_formats
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from costs.rollups import quantile
from devora_ops.common import formats
from devora_ops.common.formats import Delta
from devora_ops.dashboard import figures, queries
from devora_ops.dashboard.changes import Comparison, comparison
from devora_ops.dashboard.figures import Figure, Line, Stack
from devora_ops.dashboard.filters import View
from devora_ops.dashboard.measures import OTHER, Latencies, Series
from devora_ops.dashboard.windows import Window
from llm.models import Model

_LOG_FROM = 20.0
QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class LegendRow:
    """One series: what it came to, its share, and how that changed."""

    key: str
    label: str
    slot: int
    total: str
    share: str
    delta: Delta | None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One bucket of the table that says what the chart shows."""

    utc: str
    local: str
    label: str
    cells: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with everything that stands around it; no figure when there is no data."""

    figure: Figure | None
    caption: str
    legend: tuple[LegendRow, ...]
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def cost_chart(view: View, window: Window) -> Chart:
    """Stack a metric by a dimension."""
    found = queries.series(view.scope, window, by=view.by, metric=view.metric)
    slots = _slots(found, by=view.by)
    compared = comparison(window)
    stacks = [_stack(one, slots[one.key], view) for one in found]
    sums = [
        sum(values, Decimal(0))
        for values in zip(*(one.values for one in found), strict=True)
    ]
    notes = [_("Total %(amount)s") % {"amount": _shown(v, view)} for v in sums]
    figure = figures.stacked_bars(
        stacks, window, totals=notes, money=view.metric == "cost"
    )
    return Chart(
        figure=figure if found else None,
        caption=_caption(found, view, compared),
        legend=tuple(_legend(found, slots, view, compared)),
        columns=tuple(stack.label for stack in stacks),
        rows=tuple(_table(window, [(s.texts, s.values) for s in stacks])),
    )


def latency_chart(view: View, window: Window) -> Chart:
    """Draw the percentiles of answers that came from models."""
    found = queries.latencies(view.scope, window)
    drawn = [
        Line(name, [quantile(histogram, q) for histogram in found.buckets])
        for name, q in QUANTILES.items()
    ]
    answers = [_counted(histogram) for histogram in found.buckets]
    notes = [formats.calls_text(n) for n in answers]
    texts = [[formats.latency(v) for v in line.values] for line in drawn]
    columns = [
        *zip(texts, (line.values for line in drawn), strict=True),
        ([formats.count(n) for n in answers], answers),
    ]
    wide = _is_wide(found)
    return Chart(
        figure=figures.lines(drawn, window, notes=notes, logarithmic=wide)
        if any(answers)
        else None,
        caption=_latency_caption(found, wide=wide),
        legend=tuple(_latency_legend(found, window)),
        columns=(*QUANTILES, _("Answers")),
        rows=tuple(_table(window, columns)),
    )


def label_of(key: str) -> str:
    """Return a series' name; an empty dimension and the rest have words of their own."""
    if key == OTHER:
        return pgettext("the smaller series of a chart", "Other")
    return key or _("(none)")


def color_slots() -> dict[str, int]:
    """Return `provider/name` → colour; models without one take what is free."""
    rows = Model.objects.order_by("id").values_list(
        "provider__slug", "name", "color_slot"
    )
    slots = {f"{provider}/{name}": slot for provider, name, slot in rows}
    taken = {slot for slot in slots.values() if slot}
    free = (slot for slot in range(1, 13) if slot not in taken)
    return {key: slot or next(free, 0) for key, slot in slots.items()}


def _slots(found: Sequence[Series], *, by: str) -> dict[str, int]:
    ranks = {one.key: place for place, one in enumerate(found, start=1)}
    fixed = color_slots() if by == "model" else {}
    return {
        key: 0 if key == OTHER else fixed.get(key, place)
        for key, place in ranks.items()
    }


def _stack(one: Series, slot: int, view: View) -> Stack:
    texts = [_shown(value, view) for value in one.values]
    return Stack(one.key, label_of(one.key), slot, one.values, texts)


def _shown(value: Decimal, view: View, *, tile: bool = False) -> str:
    match view.metric:
        case "cost":
            return formats.money(value, tile=tile)
        case "tokens":
            return formats.compact(int(value))
        case _:
            return formats.count(int(value))


def _legend(
    found: Sequence[Series], slots: Mapping[str, int], view: View, compared: Comparison
) -> list[LegendRow]:
    everything = sum((one.total for one in found), Decimal(0))
    return [
        LegendRow(
            key=one.key,
            label=label_of(one.key),
            slot=slots[one.key],
            total=_shown(one.total, view),
            share=formats.percent(float(one.total / everything)),
            delta=_change(one.total, one.previous, view, compared),
        )
        for one in found
    ]


def _change(
    now: Decimal, before: Decimal, view: View, compared: Comparison
) -> Delta | None:
    return compared.delta(
        now,
        before,
        welcome="down" if view.metric == "cost" else "neutral",
        calls=int(min(now, before)) if view.metric == "calls" else 1000,
    )


def _caption(found: Sequence[Series], view: View, compared: Comparison) -> str:
    if not found:
        return ""
    everything = sum((one.total for one in found), Decimal(0))
    before = sum((one.previous for one in found), Decimal(0))
    change = _change(everything, before, view, compared)
    largest = max(found, key=lambda one: (one.key != OTHER, one.total))
    values = {
        "total": _shown(everything, view, tile=True),
        "change": change.words if change else "",
        "top": label_of(largest.key),
        "share": formats.percent(float(largest.total / everything), places=0),
    }
    if change is None:
        return _sentence_alone(view.metric) % values
    return _sentence(view.metric) % values


def _sentence_alone(metric: str) -> str:
    match metric:
        case "cost":
            return _("Spend %(total)s; %(top)s is %(share)s of it.")
        case "tokens":
            return _("%(total)s tokens; %(top)s is %(share)s of them.")
        case _:
            return _("%(total)s calls; %(top)s is %(share)s of them.")


def _sentence(metric: str) -> str:
    match metric:
        case "cost":
            return _("Spend %(total)s, %(change)s; %(top)s is %(share)s of it.")
        case "tokens":
            return _("%(total)s tokens, %(change)s; %(top)s is %(share)s of them.")
        case _:
            return _("%(total)s calls, %(change)s; %(top)s is %(share)s of them.")


def _is_wide(found: Latencies) -> bool:
    whole = found.current
    low, high = quantile(whole, 0.5), quantile(whole, 0.99)
    return bool(low and high and high / low > _LOG_FROM)


def _latency_caption(found: Latencies, *, wide: bool) -> str:
    whole = found.current
    if not whole:
        return ""
    values = {
        name: formats.latency(quantile(whole, q)) for name, q in QUANTILES.items()
    }
    values["n"] = formats.count(_counted(whole))
    if _counted(whole) == 1:
        return _("The one answer came within %(p99)s.") % values
    sentence = _(
        "Of %(n)s answers, half came within %(p50)s, 95 of 100 within %(p95)s and "
        "99 of 100 within %(p99)s."
    )
    scale = " " + _("The scale is logarithmic.") if wide else ""
    return sentence % values + scale


def _latency_legend(found: Latencies, window: Window) -> list[LegendRow]:
    rows = []
    compared = comparison(window)
    calls = min(_counted(found.current), _counted(found.previous))
    for name, q in QUANTILES.items():
        now, before = quantile(found.current, q), quantile(found.previous, q)
        change = compared.delta(now, before, welcome="down", calls=calls)
        rows.append(LegendRow(name, name, 0, formats.latency(now), "", change))
    return rows


def _counted(histogram: Sequence[int]) -> int:
    return sum(packed & ((1 << 40) - 1) for packed in histogram)


def _table(
    window: Window,
    columns: Sequence[tuple[Sequence[str], Sequence[float | Decimal | None]]],
) -> list[TableRow]:
    rows = []
    for place, local in enumerate(window.local_starts()):
        rows.append(
            TableRow(
                utc=window.starts[place].isoformat(),
                local=local.isoformat(),
                label=_bucket_label(window, place),
                cells=tuple(texts[place] for texts, _values in columns),
                plain=tuple(_plain(values[place]) for _texts, values in columns),
            )
        )
    return rows


def _bucket_label(window: Window, place: int) -> str:
    local = window.starts[place].astimezone(window.zone)
    day = django_formats.date_format(local, "SHORT_DATE_FORMAT")
    if window.daily:
        return day
    return f"{day} {django_formats.time_format(local, 'H:i')}"


def _plain(value: float | Decimal | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:f}"
