"""`manage.py demo load | remove | trickle`: data to look around with."""

import logging
import signal
import sys
import time
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devora_ops.demo import loading, removal
from devora_ops.demo.stage import DemoRefused
from devora_ops.demo.trickle import run
from devora_ops.installation.folder import DataFolder

log = logging.getLogger("[Demo]")


class Command(BaseCommand):
    """All of it belongs to one team that is marked as demo; remove leaves no trace."""

    help = "Load a month of demo data, remove it, or let its agents call now and then."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="history, prompts, budgets; once")
        load.add_argument("--days", type=int, default=loading.DAYS)
        load.add_argument("--calls-per-day", type=int, default=loading.CALLS_PER_DAY)
        actions.add_parser("remove", help="all that load has made")
        actions.add_parser("trickle", help="call the gateway until stopped")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        match action:
            case "load":
                self._load(options["days"], options["calls_per_day"])
            case "remove":
                self._remove()
            case _:
                self._trickle()

    def _load(self, days: int, calls_per_day: int) -> None:
        if days < 1 or calls_per_day < 1:
            raise CommandError("--days and --calls-per-day are 1 or more.")
        began = time.monotonic()
        secrets = DataFolder.open(settings.DEVORA_DATA).secrets
        try:
            calls = loading.load(
                secrets, now=timezone.now(), days=days, calls_per_day=calls_per_day
            )
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        if calls is None:
            self.stderr.write("The demo data is there already.")
            return
        took_s = time.monotonic() - began
        self.stderr.write(f"Loaded {calls} calls of {days} days in {took_s:.1f} s.")

    def _remove(self) -> None:
        removed = removal.remove()
        if removed is None:
            self.stderr.write("There is no demo data.")
            return
        listed = ", ".join(f"{number} {what}" for what, number in removed.items())
        self.stderr.write(f"Removed {listed}.")

    def _trickle(self) -> None:
        signal.signal(signal.SIGTERM, _stop)
        try:
            run(
                settings.DEVORA_URL,
                secrets=DataFolder.open(settings.DEVORA_DATA).secrets,
                say=log.info,
            )
        except KeyboardInterrupt:
            return


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
