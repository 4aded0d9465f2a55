"""The ledger's housekeeping, run by beat."""

from celery import shared_task
from django.db import connection

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
