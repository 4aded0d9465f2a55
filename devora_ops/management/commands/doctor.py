"""`doctor`: `manage.py` calls `devora_ops.doctor`, which needs no Django, directly."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from devora_ops.doctor import run


class Command(BaseCommand):
    """Here for `manage.py help`."""

    help = "Say what is wrong with the installation and how to mend it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(run())
