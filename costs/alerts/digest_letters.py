"""What a digest says: what was spent, compared to before, and where it is heading."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from costs.alerts.digests import stop_link, zone_of
from costs.alerts.letters import Driver, drivers
from costs.budgets import budget_states
from costs.forecast import Forecast, forecast
from costs.models import Alert, Budget, DigestEvery
from costs.outlook import by_day
from costs.selectors import Slice, spend_by
from devora_ops.common import formats
from devora_ops.common.models import Team, User
from devora_ops.common.png import bars

_DAYS: Final = {DigestEvery.DAY: 1, DigestEvery.WEEK: 7}
_SHOWN_DAYS: Final = 28
_NEARLY: Final = Decimal("0.8")
_MOST_BUDGETS: Final = 5
_MOST_ROWS: Final = 5_000  # teams × statuses
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class DigestLetter:
    """A digest in words, and its chart as PNG; lines, budgets: its sentences."""

    subject: str
    title: str
    lines: tuple[str, ...]
    drivers: tuple[Driver, ...]
    budgets: tuple[str, ...]
    chart_text: str
    overview_url: str
    stop_url: str
    chart: bytes


def digest_letter(
    user: User, every: str, day: dt.date, *, chart_id: str
) -> tuple[DigestLetter, str, str]:
    """Write a person's digest of the day or week before a day.

    Returns it with its text and its HTML, whose chart is the part named chart_id.
    """
    zone = zone_of(user)
    with (
        translation.override(user.language or settings.LANGUAGE_CODE),
        timezone.override(zone),
    ):
        words = _words(user, DigestEvery(every), day)
        context = {"letter": words, "chart_id": chart_id}
        return (
            words,
            render_to_string("email/digest.txt", context),
            render_to_string("email/digest.html", context),
        )


def _words(user: User, every: DigestEvery, day: dt.date) -> DigestLetter:
    zone, length = zone_of(user), _DAYS[every]
    ends = dt.datetime.combine(day, dt.time(), zone)
    costs = by_day({}, zone=zone, now=ends)
    period = [day - dt.timedelta(n) for n in range(length, 0, -1)]
    before = [each - dt.timedelta(length) for each in period]
    spent, earlier = _sum(costs, period), _sum(costs, before)
    values = {"spent": formats.money(spent), "period": _period(period)}
    begins = dt.datetime.combine(period[0], dt.time(), zone)
    shown = [day - dt.timedelta(n) for n in range(_SHOWN_DAYS, 0, -1)]
    return DigestLetter(
        subject=_("[Devora] %(spent)s spent %(period)s") % values,
        title=_("%(spent)s spent %(period)s") % values,
        lines=tuple(_lines(spent, earlier, begins, ends, costs)),
        drivers=tuple(drivers(Slice(begins, ends, {}), spent, None)),
        budgets=tuple(_budgets()),
        chart_text=_chart_text(costs, shown),
        overview_url=_overview("24h" if every == DigestEvery.DAY else "7d"),
        stop_url=stop_link(user),
        chart=bars(
            [float(costs.get(each, 0)) for each in shown],
            lit=range(_SHOWN_DAYS - length, _SHOWN_DAYS),
        ),
    )


def _sum(costs: Mapping[dt.date, Decimal], days: list[dt.date]) -> Decimal:
    return sum((costs.get(day, Decimal(0)) for day in days), Decimal(0))


def _period(days: list[dt.date]) -> str:
    values = {
        "first": date_format(days[0], "MONTH_DAY_FORMAT"),
        "last": date_format(days[-1], "MONTH_DAY_FORMAT"),
    }
    if len(days) == 1:
        return _("on %(first)s") % values
    return _("from %(first)s to %(last)s") % values


def _lines(
    spent: Decimal,
    earlier: Decimal,
    begins: dt.datetime,
    ends: dt.datetime,
    costs: Mapping[dt.date, Decimal],
) -> Iterator[str]:
    if earlier:
        values = {"earlier": formats.money(earlier), "change": _change(spent, earlier)}
        if ends - begins < dt.timedelta(days=2):
            yield _("The day before: %(earlier)s (%(change)s)") % values
        else:
            yield _("The week before: %(earlier)s (%(change)s)") % values
    yield from _calls(Slice(begins, ends, {}))
    said = _month(ends, costs)
    if said is not None:
        amounts = {
            "usd": formats.money(said.usd),
            "low": formats.money(said.low),
            "high": formats.money(said.high),
        }
        yield (
            _("The month is likely to end at %(usd)s, between %(low)s and %(high)s.")
            % amounts
        )
    alerts = Alert.objects.filter(crossed_at__gte=begins, crossed_at__lt=ends).count()
    if alerts:
        yield (
            ngettext("There was %(n)s alert.", "There were %(n)s alerts.", alerts)
            % {"n": alerts}
        )


def _change(spent: Decimal, earlier: Decimal) -> str:
    ratio = float(spent / earlier) - 1
    sign = "+" if ratio >= 0 else "−"
    return sign + formats.percent(abs(ratio), places=0)


def _calls(part: Slice) -> Iterator[str]:
    demo = set(Team.objects.filter(is_demo=True).values_list("slug", flat=True))
    found = spend_by(("team", "status"), part.widened(), zone=_UTC, limit=_MOST_ROWS)
    rows = [row for row in found if row.keys["team"] not in demo]
    calls = int(sum(row.calls for row in rows))
    if not calls:
        yield _("There was no call.")
        return
    well = int(sum(row.calls for row in rows if row.keys["status"] in ("ok", "cached")))
    values = {
        "calls": formats.calls_text(calls),
        "share": formats.percent(well / calls),
        "saved": formats.money(sum((row.saved_usd for row in rows), Decimal(0))),
    }
    yield (
        _("%(calls)s, %(share)s of them answered; the cache saved %(saved)s.") % values
    )


def _month(now: dt.datetime, costs: Mapping[dt.date, Decimal]) -> Forecast | None:
    """Return what the month of a midnight comes to; its first days know no month."""
    month = now.date().replace(day=1)
    if (now.date() - month).days > _SHOWN_DAYS:
        return None  # the month's first days are no longer among those summed
    days = [month + dt.timedelta(n) for n in range((now.date() - month).days)]
    return forecast(
        _sum(costs, days),
        costs,
        today=now.date(),
        passed=0,
        ends=(month + dt.timedelta(days=32)).replace(day=1),
    )


def _budgets() -> Iterator[str]:
    """Yield the budgets that are nearly used up, the fullest first."""
    demo = Team.objects.filter(is_demo=True).values("slug")
    found = list(Budget.objects.filter(limit_usd__gt=0).exclude(team__in=demo))
    states = budget_states(each.pk for each in found)
    used = [
        ((states[each.pk].spent + states[each.pk].held) / each.limit_usd, each)
        for each in found
        if each.pk in states
    ]
    full = sorted((one for one in used if one[0] >= _NEARLY), key=lambda one: -one[0])
    for share, budget in full[:_MOST_BUDGETS]:
        values = {
            "name": " ".join(budget.name.split()),
            "spent": formats.money(states[budget.pk].spent),
            "limit": formats.money(budget.limit_usd),
            "percent": formats.percent(float(share), places=0),
        }
        yield _("%(name)s: %(spent)s of %(limit)s (%(percent)s)") % values


def _chart_text(costs: Mapping[dt.date, Decimal], days: list[dt.date]) -> str:
    """Say in words what the chart shows."""
    dearest = max(days, key=lambda day: costs.get(day, Decimal(0)))
    values = {
        "first": date_format(days[0], "MONTH_DAY_FORMAT"),
        "last": date_format(days[-1], "MONTH_DAY_FORMAT"),
        "most": formats.money(costs.get(dearest, Decimal(0))),
        "day": date_format(dearest, "MONTH_DAY_FORMAT"),
    }
    return (
        _("Spend by day from %(first)s to %(last)s; at most %(most)s on %(day)s.")
        % values
    )


def _overview(span: str) -> str:
    query = urlencode({"range": span})
    return f"{settings.DEVORA_URL}{reverse('dashboard:overview')}?{query}"
