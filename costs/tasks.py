"""The ledger's housekeeping, run by beat."""

from celery import shared_task
from django.db import connection

from costs.alerts import digests
from costs.alerts.anomalies import notice_anomalies
from costs.alerts.crossings import notice, notice_forecasts
from costs.alerts.sending import HANDLERS
from devora_ops.common import outbox

_SENDING_S = 20.0  # then the next run goes on, and the worker does other things too
_FACTS = ("costs_call", "costs_attempt", "costs_score")


@shared_task(name="costs.keep_partitions")
def keep_partitions() -> None:
    """Make next month's partitions in time, and drop what only the hour view needs."""
    with connection.cursor() as cursor:
        for table in _FACTS:
            cursor.execute(
                "SELECT ops_keep_partitions(%s, now(), now() + interval '40 days')",
                [table],
            )
        cursor.execute(
            "DELETE FROM costs_rollup_minute WHERE bucket < now() - interval '3 hours'"
        )
        cursor.execute(
            "DELETE FROM costs_owner AS o WHERE seen_at < now() - interval '1 day' "
            "AND NOT EXISTS (SELECT 1 FROM costs_hold AS h WHERE h.owner = o.id)"
        )


@shared_task(name="costs.notice_crossings")
def notice_crossings() -> None:
    """Find the steps that budgets have crossed, and have people told at once."""
    if notice():
        send_alerts.delay()


@shared_task(name="costs.notice_forecasts")
def notice_limits_that_will_not_last() -> None:
    """Find the budgets that will not last, and have people told at once."""
    if notice_forecasts():
        send_alerts.delay()


@shared_task(name="costs.notice_anomalies")
def notice_unusual_hours() -> None:
    """Find hours that cost far more than usual, and have people told at once."""
    if notice_anomalies():
        send_alerts.delay()


@shared_task(name="costs.leave_word_of_digests")
def leave_word_of_digests() -> None:
    """Have the digests sent that are due."""
    digests.leave_word()


@shared_task(name="costs.send_alerts")
def send_alerts() -> None:
    """Send the alerts that are due."""
    outbox.relay(HANDLERS, for_s=_SENDING_S)
