"""How things stand now: budgets by risk, providers that fail, what needs attention."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from psycopg import sql

from costs.forecast import Forecast
from costs.models import BudgetPeriod
from costs.outlook import budget_forecast
from devora_ops.common import formats
from devora_ops.dashboard.queries import fetch
from llm.models import Breaker, BreakerState

Level = Literal["ok", "warning", "error"]

_MOST_BUDGETS = 4
_MOST_ITEMS = 4
_ALARMING_SHARE = 0.8
_FAILING_ATTEMPTS = 10
_FAILING_SHARE = 0.1
_DOWN_SHARE = 0.5
_FAILING_MINUTES = 15

_BUDGETS = sql.SQL(
    "SELECT b.id, b.name, b.limit_usd, b.period, b.hard,"
    " coalesce(c.spent, 0), coalesce(c.held, 0), p.began, p.ends, now(), b.time_zone,"
    " b.team, b.agent, b.end_user, b.model, b.prompt, b.experiment"
    " FROM costs_budget AS b"
    " CROSS JOIN LATERAL (SELECT"
    "  costs_period_start(b.period, b.time_zone, now()) AS began,"
    "  costs_period_end(b.period, b.time_zone, now()) AS ends) AS p"
    " LEFT JOIN costs_counter AS c ON c.budget_id = b.id AND c.period_start = p.began"
)
_PROVIDERS = sql.SQL(
    "SELECT split_part(model, '/', 1),"
    " sum(failed), sum(attempts)"
    " FROM costs_rollup_minute WHERE bucket >= now() - make_interval(mins => %(minutes)s)"
    " GROUP BY 1 HAVING sum(attempts) >= %(attempts)s"
)


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """What a budget has spent and set aside in its current period."""

    id: int
    name: str
    limit: Decimal
    period: str
    hard: bool
    spent: Decimal
    held: Decimal
    began: dt.datetime
    ends: dt.datetime | None
    now: dt.datetime
    time_zone: str = "UTC"
    team: str = ""
    agent: str = ""
    end_user: str = ""
    model: str = ""
    prompt: str = ""
    experiment: str = ""
    forecast: Forecast | None = None

    @property
    def share(self) -> float:
        """The used part of the limit, money set aside included."""
        used = self.spent + self.held
        return float(used / self.limit) if self.limit else float(used > 0 or self.hard)

    @property
    def level(self) -> Level:
        """How worrying it is."""
        if self.share >= 1:
            return "error"
        return "warning" if self.share >= _ALARMING_SHARE else "ok"

    @property
    def runs_out(self) -> dt.datetime | None:
        """When the limit is likely to be reached, if that is before the period ends."""
        said = self.forecast
        if self.ends is None or said is None or said.usd <= self.limit:
            return None
        share = float((self.limit - self.spent) / (said.usd - self.spent))
        return self.now + (self.ends - self.now) * max(0.0, share)

    # --- as the page says it ---
    @property
    def amounts(self) -> str:
        """Spent out of the limit."""
        values = {
            "spent": formats.money(self.spent, tile=True),
            "limit": formats.money(self.limit, tile=True),
        }
        return _("%(spent)s of %(limit)s") % values

    @property
    def period_label(self) -> str:
        """The period's name."""
        return str(BudgetPeriod(self.period).label)

    @property
    def outlook(self) -> str:
        """Where it is heading, in one sentence."""
        if self.share >= 1:
            return self._reached()
        if self.runs_out:
            day = date_format(localtime(self.runs_out), "MONTH_DAY_FORMAT")
            return _("It is likely to run out on %(day)s.") % {"day": day}
        if self.forecast is not None:
            amount = formats.money(self.forecast.usd, tile=True)
            return _("It is likely to end at %(amount)s.") % {"amount": amount}
        if self.ends:
            return _("Starts anew on %(day)s.") % {
                "day": date_format(self.ends, "MONTH_DAY_FORMAT")
            }
        return _("It has no end.")

    def _reached(self) -> str:
        if self.hard:
            return _("The limit is reached: calls are refused.")
        return _("The limit is reached: calls still go through.")

    @property
    def percent(self) -> str:
        """The used share as text."""
        return formats.percent(self.share, places=0)

    @property
    def bar(self) -> int:
        """The used share of the progress bar, 0 to 100."""
        return min(100, round(self.share * 100))

    @property
    def marker(self) -> int | None:
        """Where the projection stands on the bar, 0 to 100."""
        if self.forecast is None or not self.limit:
            return None
        return min(100, round(float(self.forecast.usd / self.limit) * 100))

    @property
    def url(self) -> str:
        """Its form in the admin."""
        return reverse("admin:costs_budget_change", args=[self.id])


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that somebody should look at."""

    level: Level
    title: str
    detail: str
    url: str
    weight: float


def budgets() -> list[BudgetStanding]:
    """Return every budget, the fullest first; those with a card know their forecast."""
    found = [BudgetStanding(*row) for row in fetch(_BUDGETS, {})]
    found.sort(key=lambda one: (-one.share, one.name))
    foreseen = [
        replace(
            one,
            forecast=budget_forecast(one, spent=one.spent, ends=one.ends, now=one.now),
        )
        for one in riskiest(found)
    ]
    return [*foreseen, *found[len(foreseen) :]]


def riskiest(found: Sequence[BudgetStanding]) -> Sequence[BudgetStanding]:
    """Return the budgets that a card has room for."""
    return found[:_MOST_BUDGETS]


def attention(found: Sequence[BudgetStanding]) -> list[Item]:
    """Return what needs attention, worst first."""
    items = [_budget_item(one) for one in found if one.level != "ok"]
    items += _failing_providers() + _left_alone()
    items.sort(key=lambda item: (item.level != "error", -item.weight))
    return items[:_MOST_ITEMS]


def _budget_item(one: BudgetStanding) -> Item:
    values = {"name": one.name, "percent": one.percent}
    title = _("Budget “%(name)s” is at %(percent)s") % values
    return Item(one.level, title, one.outlook, one.url, one.share)


def _failing_providers() -> list[Item]:
    parameters = {"minutes": _FAILING_MINUTES, "attempts": _FAILING_ATTEMPTS}
    items = []
    for provider, failed, attempts in fetch(_PROVIDERS, parameters):
        share = float(failed / attempts)
        if share >= _FAILING_SHARE:
            items.append(_provider_item(provider, share, int(attempts)))
    return items


def _provider_item(provider: str, share: float, attempts: int) -> Item:
    values = {
        "provider": provider,
        "share": formats.percent(share, places=0),
        "attempts": formats.count(attempts),
    }
    failed = {"failed": "yes", "since": "1h", "model__icontains": f"{provider}/"}
    return Item(
        level="error" if share >= _DOWN_SHARE else "warning",
        title=_("%(provider)s fails %(share)s of the time") % values,
        detail=_("Of %(attempts)s attempts in the last 15 minutes.") % values,
        url=f"{reverse('admin:costs_attempt_changelist')}?{urlencode(failed)}",
        weight=1 + share,
    )


def _left_alone() -> list[Item]:
    """Return what the gateway leaves alone by itself; what people force is no news."""
    opened = Breaker.objects.filter(state=BreakerState.OPEN)
    found = opened.exclude(forced=BreakerState.CLOSED)[:_MOST_ITEMS]
    return [_left_alone_item(breaker) for breaker in found]


def _left_alone_item(breaker: Breaker) -> Item:
    values = {"name": breaker.target}
    if "/" in breaker.target:
        title = _("%(name)s keeps failing and is left alone") % values
    elif breaker.reason == "provider_credit_exhausted":
        title = _("%(name)s says that there is no credit left") % values
    else:
        title = _("%(name)s refuses our credential") % values
    since = {"time": timesince(breaker.changed_at, depth=1)}
    return Item(
        level="warning" if "/" in breaker.target else "error",
        title=title,
        detail=_("For %(time)s: calls go elsewhere, or fail.") % since,
        url=reverse("admin:llm_breaker_change", args=[breaker.target]),
        weight=1,
    )
