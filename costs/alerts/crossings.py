"""Which budgets have crossed a step since somebody last looked.

Looking finds all that was crossed, however long nobody looked: counters keep what was
spent. Whoever else looks meanwhile finds the row that is there, and leaves it alone.
People are told once of all that one look found of a budget: a message of its own for each
step would only bury the highest.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from costs.models import Alert, Budget
from costs.outlook import projected
from costs.pricing import round_usd
from devora_ops.common import outbox
from devora_ops.common.models import Team
from devora_ops.common.people import owners_addresses

log = logging.getLogger("[CostTracker]")

EMAIL: Final = "alert.email"
SLACK: Final = "alert.slack"
CHANNELS: Final = (EMAIL, SLACK)
# Calls that a period began settle after its end, and are charged to it.
_SETTLES_FOR_S: Final = 1800

_CROSSED = """
INSERT INTO costs_alert (budget_id, name, kind, step, period_start, period_end,
                         limit_usd, spent_usd, crossed_at)
SELECT b.id, b.name, 'actual', step, c.period_start, c.period_end, b.limit_usd, c.spent,
       now()
FROM costs_budget AS b
JOIN costs_counter AS c ON c.budget_id = b.id
CROSS JOIN LATERAL unnest(b.alert_steps) AS step
WHERE b.limit_usd > 0 AND c.period_start <= now()
  AND (c.period_end IS NULL OR c.period_end > now() - make_interval(secs => %(settles_for)s))
  AND c.spent >= b.limit_usd * step / 100
ORDER BY b.id, step
ON CONFLICT DO NOTHING
RETURNING id
"""
# What is not reached yet, and nobody was told of.
_HEADING = """
SELECT b.id, c.period_start, c.period_end, c.spent
FROM costs_budget AS b
JOIN costs_counter AS c ON c.budget_id = b.id
WHERE b.alert_forecast AND c.spent < b.limit_usd
  AND c.period_start <= now() AND c.period_end > now()
  AND NOT EXISTS (
    SELECT FROM costs_alert AS a
    WHERE a.budget_id = b.id AND a.period_start = c.period_start
      AND a.kind = 'forecast' AND a.limit_usd = b.limit_usd)
ORDER BY b.id
"""
_WILL_CROSS = """
INSERT INTO costs_alert (budget_id, name, kind, step, period_start, period_end,
                         limit_usd, spent_usd, projected_usd, crossed_at)
VALUES (%(budget)s, %(name)s, 'forecast', 100, %(start)s, %(end)s, %(limit)s, %(spent)s,
        %(projected)s, now())
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic
def notice() -> list[Alert]:
    """Write down what was crossed, and leave word for those who want to know."""
    with connection.cursor() as cursor:
        cursor.execute(_CROSSED, {"settles_for": _SETTLES_FOR_S})
        ids = [row[0] for row in cursor.fetchall()]
    alerts = _written(ids)
    for alert in alerts:
        alert.projected_usd = alert.budget and projected(
            alert.budget,
            spent=alert.spent_usd,
            starts=alert.period_start,
            ends=alert.period_end,
            now=alert.crossed_at,
        )
        alert.save(update_fields=["projected_usd"])
    return _told(alerts)


@transaction.atomic
def notice_forecasts() -> list[Alert]:
    """Write down which limits will not last, and leave word of them.

    It reads what each budget's scope has cost by day, which nobody needs every second.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HEADING)
        rows = cursor.fetchall()
    budgets = Budget.objects.in_bulk([row[0] for row in rows])
    now = timezone.now()
    ids = [
        made
        for pk, start, end, spent in rows
        if pk in budgets
        for made in _will_cross(budgets[pk], start, end, spent, now)
    ]
    return _told(_written(ids))


def _will_cross(
    budget: Budget,
    start: dt.datetime,
    end: dt.datetime,
    spent: Decimal,
    now: dt.datetime,
) -> list[int]:
    """Return the alert of a limit that will not last, if it is not written yet."""
    said = projected(budget, spent=spent, starts=start, ends=end, now=now)
    if said is None or said <= budget.limit_usd:
        return []
    values: dict[str, Any] = {
        "budget": budget.pk,
        "name": budget.name,
        "start": start,
        "end": end,
        "limit": budget.limit_usd,
        "spent": spent,
        "projected": round_usd(said),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WILL_CROSS, values)
        return [row[0] for row in cursor.fetchall()]


def _written(ids: Sequence[int]) -> list[Alert]:
    found = Alert.objects.filter(pk__in=ids).select_related("budget")
    return list(found.order_by("pk"))


def _told(alerts: list[Alert]) -> list[Alert]:
    for alert in alerts:
        log.warning("budget %s crossed %d %% (%s)", alert.name, alert.step, alert.kind)
    for highest, *lower in _jumps(alerts):
        if highest.budget is not None and _is_heard(highest.budget):
            found = Alert.objects.filter(pk__in=[alert.pk for alert in lower])
            found.update(told_with=highest)
            tell(highest)
    return alerts


def _jumps(alerts: Iterable[Alert]) -> Iterator[list[Alert]]:
    """Yield what one look found of a budget in a period, the highest step first."""
    jumps: defaultdict[tuple[Any, ...], list[Alert]] = defaultdict(list)
    for alert in sorted(alerts, key=lambda alert: -alert.step):
        jumps[alert.budget_id, alert.period_start, alert.kind].append(alert)
    yield from jumps.values()


def tell(alert: Alert) -> None:
    """Leave word of an alert for everybody who wants to know."""
    for kind, to in _addressees(alert.budget):
        outbox.put(
            kind, {"alert": alert.pk, "to": to}, dedup_key=key_of(kind, alert.pk, to)
        )


def key_of(kind: str, alert: int, to: str) -> str:
    """Return what names an alert's message to one address; without one, its beginning."""
    return f"{kind}:{alert}:{to}"


def _is_heard(budget: Budget) -> bool:
    """Say whether a budget's steps are told at all: not of nobody's money."""
    snoozed = budget.snoozed_until is not None and budget.snoozed_until > timezone.now()
    return not (snoozed or Team.objects.filter(slug=budget.team, is_demo=True).exists())


def _addressees(budget: Budget | None) -> Iterator[tuple[str, str]]:
    """Yield (kind, address) of all who are told; Owners of what has no budget."""
    named = budget.alert_emails if budget else []
    if settings.EMAIL_URL:
        for address in dict.fromkeys(named or owners_addresses()):
            yield EMAIL, address
    if settings.SLACK_WEBHOOK_URL and (budget is None or budget.alert_slack):
        yield SLACK, ""
