"""The housekeeping of stored content, run by beat."""

from celery import shared_task
from django.db import connection

from llm.selectors import KEPT


@shared_task(name="llm.keep_content")
def keep_content() -> None:
    """Make next month's partition in time; delete what is past keeping."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ops_keep_partitions('llm_content', now(), now() + interval '40 days')"
        )
        cursor.execute(
            "DELETE FROM llm_content WHERE call_id < ops_first_uuid7_at("
            "now() - make_interval(days => %s))",
            [KEPT.days],
        )
