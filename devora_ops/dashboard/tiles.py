"""The six tiles above everything: what each number means, and what it is compared to."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from costs.forecast import LOOKS_BACK_DAYS, Forecast, forecast
from costs.models import CallStatus
from costs.outlook import part_of_day
from costs.rollups import quantile
from devora_ops.common import formats
from devora_ops.common.formats import Delta, Welcome
from devora_ops.dashboard import queries
from devora_ops.dashboard.changes import Comparison, comparison
from devora_ops.dashboard.filters import Scope
from devora_ops.dashboard.measures import Histogram, Latencies, Sums, Totals
from devora_ops.dashboard.sparklines import Sparkline, sparkline
from devora_ops.dashboard.windows import Window

_LIVE_MINUTES = 5
_GOAL_P95_MS = 6000.0
_GOAL_SUCCESS = 0.99
_GOAL_CACHE = 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """The target of a number and whether it is met."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Tile:
    """One number. status: the calls behind it. live: its plain value, where the page
    adds to it as calls come in."""

    key: str
    label: str
    help: str | Promise
    value: str
    notes: tuple[str, ...]
    delta: Delta | None
    spark: Sparkline | None
    status: str = ""
    goal: Goal | None = None
    live: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the tiles are computed from; reads are over once it exists."""

    window: Window
    totals: Totals
    latencies: Latencies
    first_tokens: Histogram
    comparison: Comparison
    forecast: Forecast | None
    calls_a_minute: float | None

    def delta(
        self, measure: Callable[[Sums], float | Decimal | None], welcome: Welcome
    ) -> Delta | None:
        """Compare a measure of the window with that of the period before it."""
        now, before = self.totals.current, self.totals.previous
        return self.comparison.delta(
            measure(now),
            measure(before),
            welcome=welcome,
            calls=min(now.calls, before.calls) if before.calls else now.calls,
        )

    def spark(
        self, measure: Callable[[Sums], float | Decimal | None]
    ) -> Sparkline | None:
        """Draw a measure bucket by bucket."""
        return sparkline([_number(measure(sums)) for sums in self.totals.buckets])


def read_facts(scope: Scope, window: Window) -> Facts:
    """Read what the tiles need from the rollups."""
    return Facts(
        window=window,
        totals=queries.totals(scope, window),
        latencies=queries.latencies(scope, window),
        first_tokens=queries.first_tokens(scope, window),
        comparison=comparison(window),
        forecast=_forecast(scope, window),
        calls_a_minute=_calls_a_minute(scope, window),
    )


def _forecast(scope: Scope, window: Window) -> Forecast | None:
    """Return what the running month comes to."""
    local = window.end.astimezone(window.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    month = midnight.replace(day=1)
    since = min(month, midnight - dt.timedelta(LOOKS_BACK_DAYS))
    days = queries.spend_by_day(scope, since, window.zone)
    spent = sum((cost for day, cost in days.items() if day >= month.date()), Decimal(0))
    return forecast(
        spent,
        days,
        today=local.date(),
        passed=part_of_day(window.end, window.zone),
        ends=(month + dt.timedelta(days=32)).replace(day=1).date(),
    )


def _calls_a_minute(scope: Scope, window: Window) -> float | None:
    minute = window.end.replace(second=0, microsecond=0)
    calls = queries.calls_since(scope, minute - dt.timedelta(minutes=_LIVE_MINUTES))
    return None if calls is None else calls / _LIVE_MINUTES


def tiles(facts: Facts) -> list[Tile]:
    """Return the tiles in the order of the page."""
    return [
        _spend(facts),
        _calls(facts),
        _latency(facts),
        _success(facts),
        _cache(facts),
        _tokens(facts),
    ]


def _spend(facts: Facts) -> Tile:
    now = facts.totals.current
    notes = list(_outlook(facts))
    if now.unpriced:
        unpriced = formats.calls_text(now.unpriced)
        notes.append(_("Price unknown: %(calls)s") % {"calls": unpriced})
    return Tile(
        key="spend",
        label=_("Spend"),
        help=gettext_lazy("What the providers charge for the attempts of this period."),
        value=formats.money(now.cost_usd, tile=True),
        notes=tuple(notes),
        delta=facts.delta(lambda sums: sums.cost_usd, "down"),
        spark=facts.spark(lambda sums: sums.cost_usd),
        live=str(now.cost_usd),
    )


def _outlook(facts: Facts) -> Iterator[str]:
    if facts.window.over:
        return
    if facts.forecast is None:
        yield _("No forecast yet: it takes 3 days")
        return
    said = facts.forecast
    amounts = {
        "amount": formats.money(said.usd, tile=True),
        "low": formats.money(said.low, tile=True),
        "high": formats.money(said.high, tile=True),
    }
    if amounts["low"] == amounts["high"]:
        yield _("Forecast this month: %(amount)s") % amounts
    else:
        yield _("Forecast this month: %(amount)s (%(low)s – %(high)s)") % amounts


def _rate(facts: Facts) -> Iterator[str]:
    if facts.calls_a_minute is not None and not facts.window.over:
        rate = formats.decimal(facts.calls_a_minute, places=1)
        yield _("%(rate)s a minute now") % {"rate": rate}


def _calls(facts: Facts) -> Tile:
    calls = facts.totals.current.calls
    return Tile(
        key="calls",
        label=_("Calls"),
        help=gettext_lazy("Every authenticated request, refused and cached ones too."),
        value=formats.count(calls),
        notes=tuple(_rate(facts)),
        delta=facts.delta(lambda sums: sums.calls, "neutral"),
        spark=facts.spark(lambda sums: sums.calls),
        live=str(calls),
    )


def _latency(facts: Facts) -> Tile:
    whole = facts.latencies.current
    p50, p95, p99 = (quantile(whole, q) for q in (0.5, 0.95, 0.99))
    notes = []
    if p95 is not None:
        values = {"p50": formats.latency(p50), "p99": formats.latency(p99)}
        notes.append(_("p50 %(p50)s · p99 %(p99)s") % values)
    first = quantile(facts.first_tokens, 0.95)
    if first is not None:
        value = formats.latency(first)
        notes.append(_("First token p95 %(value)s") % {"value": value})
    buckets = [quantile(histogram, 0.95) for histogram in facts.latencies.buckets]
    return Tile(
        key="latency",
        label=_("Latency p95"),
        help=gettext_lazy("95 of 100 answers from a model came within this time."),
        value=formats.latency(p95),
        notes=tuple(notes),
        delta=_latency_delta(facts, p95),
        spark=sparkline(buckets),
        status=CallStatus.OK,
        goal=None if p95 is None else Goal(_("Goal: under 6 s"), p95 < _GOAL_P95_MS),
    )


def _latency_delta(facts: Facts, p95: float | None) -> Delta | None:
    now, before = facts.totals.current, facts.totals.previous
    return facts.comparison.delta(
        p95,
        quantile(facts.latencies.previous, 0.95),
        welcome="down",
        calls=min(now.statuses["ok"], before.statuses["ok"]),
    )


def _success(facts: Facts) -> Tile:
    rate = _success_rate(facts.totals.current)
    return Tile(
        key="success",
        label=_("Success rate"),
        help=gettext_lazy("Answered calls out of all that no budget refused."),
        value=formats.percent(rate, places=2 if rate and 0.99 < rate < 1 else 1),
        notes=tuple(_failures(facts.totals.current)),
        delta=facts.delta(_success_rate, "up"),
        spark=facts.spark(_success_rate),
        status=CallStatus.ERROR,
        goal=None if rate is None else Goal(_("Goal: over 99%"), rate > _GOAL_SUCCESS),
    )


def _failures(sums: Sums) -> Sequence[str]:
    notes = []
    kinds = (CallStatus.ERROR, CallStatus.TIMEOUT, CallStatus.RATE_LIMITED)
    worst = max(kinds, key=lambda kind: sums.statuses[kind])
    if sums.statuses[worst]:
        values = {"kind": worst.label, "n": formats.count(sums.statuses[worst])}
        notes.append(_("%(kind)s: %(n)s") % values)
    else:
        notes.append(_("No failures"))
    if sums.retries:
        share = formats.percent(sums.retries / max(1, sums.attempts))
        notes.append(_("Retried: %(share)s") % {"share": share})
    if (score := sums.quality_score) is not None:
        values = {
            "score": formats.decimal(float(score), places=1),
            "n": formats.count(sums.scored),
        }
        notes.append(_("Quality %(score)s of 10 (%(n)s scored)") % values)
    if sums.statuses["blocked"]:
        blocked = formats.count(sums.statuses["blocked"])
        notes.append(_("Blocked: %(n)s") % {"n": blocked})
    return notes


def _cache(facts: Facts) -> Tile:
    now = facts.totals.current
    rate = _hit_rate(now)
    saved = formats.money(now.saved_usd, tile=True)
    return Tile(
        key="cache",
        label=_("Cache hit rate"),
        help=gettext_lazy("Answers from the cache out of the calls that may use it."),
        value=formats.percent(rate),
        notes=(_("Saved %(amount)s") % {"amount": saved},),
        delta=facts.delta(_hit_rate, "up"),
        spark=facts.spark(_hit_rate),
        status=CallStatus.CACHED,
        goal=None if rate is None else Goal(_("Goal: over 50%"), rate > _GOAL_CACHE),
    )


def _tokens(facts: Facts) -> Tile:
    now = facts.totals.current
    values = {
        "read": formats.compact(now.input_tokens),
        "written": formats.compact(now.output_tokens),
    }
    notes = [_("%(read)s in · %(written)s out") % values]
    if now.cached_tokens:
        cached = formats.compact(now.cached_tokens)
        notes.append(_("%(cached)s read from cache") % {"cached": cached})
    return Tile(
        key="tokens",
        label=_("Tokens"),
        help=gettext_lazy("Tokens that models read and wrote, reasoning included."),
        value=formats.compact(now.tokens),
        notes=tuple(notes),
        delta=facts.delta(lambda sums: sums.tokens, "neutral"),
        spark=facts.spark(lambda sums: sums.tokens),
        live=str(now.tokens),
    )


def _success_rate(sums: Sums) -> float | None:
    return sums.succeeded / sums.served if sums.served else None


def _hit_rate(sums: Sums) -> float | None:
    return sums.statuses["cached"] / sums.cacheable if sums.cacheable else None


def _number(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)
