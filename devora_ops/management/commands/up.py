"""`up`: everything that runs. `manage.py` calls `devora_ops.up` without loading Django."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from devora_ops.up import run


class Command(BaseCommand):
    """Here for `manage.py help`."""

    help = (
        "Run everything: Postgres and Redis (embedded unless DATABASE_URL and "
        "REDIS_URL name others), web, worker, beat and the provider simulator. "
        "Ctrl-C stops it."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(run())
