"""`manage.py seed_calls N [--days D]`: many calls, to see how everything behaves then."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devora_ops.demo.seeding import DAYS, TEAM, seed


class Command(BaseCommand):
    """Adds to what is there; every run adds other calls."""

    help = f"Write N calls of team {TEAM} straight into the ledger, sums included."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, metavar="N")
        parser.add_argument("--days", type=int, default=DAYS, help="how far back")

    def handle(self, *args: Any, count: int, days: int, **options: Any) -> None:
        if count < 1 or not 1 <= days <= 3660:
            raise CommandError("N is 1 or more, --days from 1 to 3660.")
        began = time.monotonic()

        def report(written: int) -> None:
            took_s = time.monotonic() - began
            rate = written / took_s
            self.stderr.write(f"{written} of {count} calls, {rate:.0f} a second")

        seed(count, days=days, now=timezone.now(), progress=report)
