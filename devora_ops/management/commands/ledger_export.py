"""`manage.py ledger_export --since ISO`: every attempt as a JSON line."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from costs.export import ledger_rows


class Command(BaseCommand):
    """Write the ledger to stdout, oldest attempt first."""

    help = "Export attempts as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", required=True, help="a moment, as ISO 8601")

    def handle(self, *args: Any, **options: Any) -> None:
        for row in ledger_rows(_moment(options["since"])):
            self.stdout.write(orjson.dumps(row).decode())


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"--since {text!r}: write a moment such as 2026-11-01T00:00:00Z."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
