"""What an alert says, in the language and the time zone of whom it is for."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from costs.alerts import mutes
from costs.models import Alert, AlertKind, Budget, BudgetPeriod
from costs.outlook import scope_of
from costs.selectors import Slice, spend_by
from costs.sources import DimensionsApart
from devora_ops.common import formats
from devora_ops.common.models import Team, User

_DRIVERS: Final = 3
_CANDIDATES: Final = 50  # among them those of the demo, which are left out
# Of the Overview's ranges, the one that shows a period.
_RANGES: Final = {
    BudgetPeriod.DAY: "24h",
    BudgetPeriod.WEEK: "7d",
    BudgetPeriod.MONTH: "mtd",
}
_LONGEST_RANGE: Final = "90d"
# What the Overview's address calls a dimension, where it is not its name.
_PARAMETERS: Final = {"experiment": "exp"}


@dataclass(frozen=True, slots=True)
class Driver:
    """An agent's use of a model, and its part of what was spent."""

    name: str
    cost: str
    share: str
    url: str


@dataclass(frozen=True, slots=True)
class Letter:
    """An alert in words.

    lines: its sentences. text, html: all of it, the page without anything that has to
    be fetched.
    """

    subject: str
    title: str
    lines: tuple[str, ...]
    drivers: tuple[Driver, ...]
    overview_url: str
    budget_url: str
    mute_url: str = ""
    text: str = ""
    html: str = ""


def _speaking_to(address: str) -> tuple[str, dt.tzinfo | None]:
    """Return a person's language and zone; the installation's for a stranger."""
    person = User.objects.filter(email__iexact=address).order_by("pk").first()
    if not address or person is None:
        return settings.LANGUAGE_CODE, None
    zone = ZoneInfo(person.time_zone) if person.time_zone else None
    return person.language or settings.LANGUAGE_CODE, zone


def letter(alert: Alert, *, to: str = "") -> Letter:
    """Write an alert; to: an address, whose person decides the language and the zone."""
    budget = alert.budget
    language, zone = _speaking_to(to)
    if zone is None:
        zone = ZoneInfo(budget.time_zone) if budget else dt.UTC
    with translation.override(language), timezone.override(zone):
        odd = alert.kind == AlertKind.ANOMALY
        words = _of_anomaly(alert) if odd else _of_budget(alert, budget)
        if odd or budget is not None:  # what is gone needs no muting
            words = replace(words, mute_url=mutes.link(alert, to=to))
        return replace(
            words,
            text=render_to_string("email/alert.txt", {"letter": words}),
            html=render_to_string("email/alert.html", {"letter": words}),
        )


def _of_budget(alert: Alert, budget: Budget | None) -> Letter:
    limit = formats.money(alert.limit_usd)
    runs_out = _runs_out(alert)
    day = (
        date_format(timezone.localtime(runs_out), "MONTH_DAY_FORMAT")
        if runs_out
        else ""
    )
    values = {
        "name": " ".join(alert.name.split()),
        "percent": formats.percent(alert.step / 100, places=0),
        "limit": limit,
        "day": day,
    }
    if alert.kind == AlertKind.FORECAST:
        title = _("Budget “%(name)s” will not last") % values
        subject = _("[Devora] %(name)s: %(limit)s will be spent by %(day)s") % values
    else:
        title = _("Budget “%(name)s” is at %(percent)s") % values
        subject = _("[Devora] %(name)s at %(percent)s of %(limit)s") % values
        if runs_out:
            subject += " — " + _("runs out on %(day)s") % values
    return Letter(
        subject=subject,
        title=title,
        lines=tuple(_lines(alert, budget, day)),
        drivers=tuple(_drivers_of_budget(alert, budget)) if budget else (),
        overview_url=_overview(budget),
        budget_url=_budget_url(budget),
    )


def _of_anomaly(alert: Alert) -> Letter:
    values = {
        "name": alert.agent,
        "spent": formats.money(alert.spent_usd),
        "usual": formats.money(alert.usual_usd),
        "most": formats.money(alert.limit_usd),
        "hour": date_format(timezone.localtime(alert.period_start), "DATETIME_FORMAT"),
    }
    if alert.agent:
        title = _("Unusual spend of %(name)s") % values
        subject = _("[Devora] %(name)s spent %(spent)s in an hour") % values
    else:
        title = _("Unusual spend")
        subject = _("[Devora] %(spent)s were spent in an hour") % values
    lines = (
        _("Since %(hour)s %(spent)s were spent.") % values,
        _("At this hour of the week it is usually %(usual)s, and seldom %(most)s.")
        % values,
    )
    where = {"agent": alert.agent} if alert.agent else {}
    ends = min(alert.period_end or timezone.now(), timezone.now())
    part = Slice(alert.period_start, ends, where)
    return Letter(
        subject=subject,
        title=title,
        lines=lines,
        drivers=tuple(drivers(part, alert.spent_usd, None)),
        overview_url=_overview(None, range="24h", agent=alert.agent),
        budget_url=_alerts_url(),
    )


def _lines(alert: Alert, budget: Budget | None, day: str) -> Iterator[str]:
    values = {
        "spent": formats.money(alert.spent_usd),
        "limit": formats.money(alert.limit_usd),
        "projected": formats.money(alert.projected_usd),
        "day": day,
    }
    yield _("%(spent)s of %(limit)s are spent.") % values
    lower = alert.lower.order_by("step").values_list("step", flat=True)
    if steps := [formats.percent(step / 100, places=0) for step in lower]:
        yield _("Also crossed: %(steps)s.") % {"steps": ", ".join(steps)}
    if day:
        yield (
            _(
                "At this pace the limit is reached on %(day)s, and the period ends at "
                "%(projected)s."
            )
            % values
        )
    if alert.period_end:
        starts = timezone.localtime(alert.period_end)
        anew = {"day": date_format(starts, "MONTH_DAY_FORMAT")}
        yield _("Starts anew on %(day)s.") % anew
    if alert.spent_usd >= alert.limit_usd and budget is not None:
        if budget.hard:
            yield _("The limit is reached: calls are refused.")
        else:
            yield _("The limit is reached: calls still go through.")


def _runs_out(alert: Alert) -> dt.datetime | None:
    """Return when the limit is reached if the rest goes evenly, and is still to come."""
    projected, ends, spent = alert.projected_usd, alert.period_end, alert.spent_usd
    if ends is None or not projected or not spent < alert.limit_usd < projected:
        return None
    share = float((alert.limit_usd - spent) / (projected - spent))
    return alert.crossed_at + (ends - alert.crossed_at) * share


def _drivers_of_budget(alert: Alert, budget: Budget) -> Iterator[Driver]:
    # A budget counts from its making on, and never what the demo does.
    since = max(alert.period_start, budget.created_at)
    part = Slice(since, timezone.now(), scope_of(budget))
    return drivers(part, alert.spent_usd, budget)


def drivers(part: Slice, spent: Decimal, budget: Budget | None) -> Iterator[Driver]:
    """Yield who spent most of a slice, where its scope can be summed so far back.

    spent: what it comes to, for their shares.
    """
    demo = set(Team.objects.filter(is_demo=True).values_list("slug", flat=True))
    try:
        found = spend_by(
            ("team", "agent", "model"),
            part.widened(),
            zone=ZoneInfo("UTC"),
            limit=_CANDIDATES,
        )
    except DimensionsApart:
        return
    rows = [row for row in found if row.cost_usd and row.keys["team"] not in demo]
    total = max(spent, sum((row.cost_usd for row in rows), Decimal(0)))
    for row in rows[:_DRIVERS]:
        agent, model = row.keys["agent"], row.keys["model"]
        yield Driver(
            name=" · ".join(filter(None, (agent or _("no agent"), model))),
            cost=formats.money(row.cost_usd),
            share=formats.percent(float(row.cost_usd / total), places=0),
            url=_overview(budget, agent=agent, model=model),
        )


def _overview(budget: Budget | None, **more: str) -> str:
    """Return the Overview of a budget's period and scope."""
    asked: dict[str, Any] = {}
    if budget is not None:
        named = scope_of(budget).items()
        asked = {_PARAMETERS.get(name, name): value for name, value in named}
        period = BudgetPeriod(budget.period)
        asked["range"] = _RANGES.get(period, _LONGEST_RANGE)
    asked |= more
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{settings.DEVORA_URL}{reverse('dashboard:overview')}?{query}"


def _budget_url(budget: Budget | None) -> str:
    if budget is None:
        return _alerts_url()
    path = reverse("admin:costs_budget_change", args=[budget.pk])
    return f"{settings.DEVORA_URL}{path}"


def _alerts_url() -> str:
    return f"{settings.DEVORA_URL}{reverse('admin:costs_alert_changelist')}"
