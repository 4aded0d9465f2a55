"""`manage.py reprice MODEL --from ISO --to ISO [--apply]`: cost by today's book."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from costs.adjusting import reprice
from costs.api.repricing import RepricingSerializer, repricing_facts


class Command(BaseCommand):
    """Print what a repricing comes to; post its adjustments when it is to be applied."""

    help = "Post what a model's attempts cost by the prices now in the book."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="provider/name")
        parser.add_argument("--from", required=True, dest="start", help="ISO 8601")
        parser.add_argument("--to", required=True, dest="end", help="ISO 8601")
        parser.add_argument("--apply", action="store_true", help="post adjustments")

    def handle(self, *args: Any, **options: Any) -> None:
        start = _moment("--from", options["start"])
        end = _moment("--to", options["end"])
        if start >= end:
            raise CommandError("The period must begin before it ends.")
        dry_run = not options["apply"]
        found = reprice(options["model"], start, end, actor="command", dry_run=dry_run)
        told = RepricingSerializer(repricing_facts(found, dry_run=dry_run)).data
        self.stdout.write(orjson.dumps(dict(told)).decode())
        if dry_run:
            self.stderr.write("Nothing was posted: add --apply.")


def _moment(name: str, text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"{name} {text!r}: write a moment such as 2026-11-01T00:00:00Z."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    if not 2000 <= moment.year < 2200:
        raise CommandError(f"{name} {text!r}: that is too far from today.")
    return moment
