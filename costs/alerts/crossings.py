"""Which budgets have crossed a step since somebody last looked.

Looking finds all that was crossed, however long nobody looked: counters keep what was
spent. Whoever else looks meanwhile finds the row that is there, and leaves it alone.
"""

import logging
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from costs.forecast import TOO_EARLY
from costs.models import Alert, Budget
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
WITH running AS (
    SELECT b.*, c.period_start, c.period_end, c.spent, p.passed,
           CASE WHEN c.period_end IS NOT NULL AND p.passed >= %(too_early)s
                THEN c.spent / p.passed::numeric END AS projected
    FROM costs_budget AS b
    JOIN costs_counter AS c ON c.budget_id = b.id
    CROSS JOIN LATERAL (SELECT least(1, extract(epoch FROM now() - c.period_start)
        / extract(epoch FROM c.period_end - c.period_start)) AS passed) AS p
    WHERE b.limit_usd > 0 AND c.period_start <= now()
      AND (c.period_end IS NULL OR c.period_end > now() - make_interval(secs => %(settles_for)s))
), crossed AS (
    SELECT r.*, 'actual' AS kind, step FROM running AS r
    CROSS JOIN LATERAL unnest(r.alert_steps) AS step
    WHERE r.spent >= r.limit_usd * step / 100
    UNION ALL
    SELECT r.*, 'forecast', 100 FROM running AS r
    WHERE r.alert_forecast AND r.spent < r.limit_usd AND r.projected > r.limit_usd
      AND r.period_end > now()
)
INSERT INTO costs_alert (budget_id, name, kind, step, period_start, period_end,
                         limit_usd, spent_usd, projected_usd, crossed_at)
SELECT id, name, kind, step, period_start, period_end, limit_usd, spent,
       round(projected, 9), now()
FROM crossed ORDER BY id, kind, step
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic
def notice() -> list[Alert]:
    """Write down what was crossed, and leave word for those who want to know."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CROSSED, {"too_early": TOO_EARLY, "settles_for": _SETTLES_FOR_S}
        )
        ids = [row[0] for row in cursor.fetchall()]
    alerts = list(Alert.objects.filter(pk__in=ids).select_related("budget"))
    for alert in alerts:
        log.warning("budget %s crossed %d %% (%s)", alert.name, alert.step, alert.kind)
        if alert.budget is not None and _is_heard(alert.budget):
            tell(alert)
    return alerts


def tell(alert: Alert) -> None:
    """Leave word of an alert for everybody who wants to know."""
    for kind, to in _addressees(alert.budget):
        outbox.put(
            kind, {"alert": alert.pk, "to": to}, dedup_key=key_of(kind, alert.pk, to)
        )


def key_of(kind: str, alert: int, to: str) -> str:
    """Return what names an alert's message to one address; without one, its beginning."""
    return f"{kind}:{alert}:{to}"[:200]


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
