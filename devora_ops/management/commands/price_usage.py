"""`manage.py price_usage`: usage objects in as JSON lines, what they cost out."""

import json
import sys
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from llm.usage_prices import NotPriced, usd_of


class Command(BaseCommand):
    """Price each line of stdin by the shipped price table; answers are flushed."""

    help = (
        "Read JSON lines of id, provider, api, model, usage and service_tier from stdin; "
        "write JSON lines of id and usd. Needs no server."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        unread = 0
        for number, line in enumerate(sys.stdin.buffer, start=1):
            if not line.strip():
                continue
            row = _read(line)
            if row is None:
                unread += 1
                self.stderr.write(f"line {number} is no JSON object")
                row = {}
            answer = {"id": row.get("id"), "usd": self._usd(row) if row else None}
            self.stdout.write(json.dumps(answer, default=str))
            self.stdout.flush()
        if unread:
            raise CommandError(f"{unread} lines could not be read.")

    def _usd(self, row: dict[str, Any]) -> str | None:
        try:
            usd, odd = usd_of(
                str(row.get("api")),
                f"{row.get('provider')}/{row.get('model')}",
                row.get("usage"),
                service_tier=str(row.get("service_tier") or ""),
            )
        except NotPriced as error:
            self.stderr.write(f"{row.get('id')} has no price: {error}")
            return None
        if odd:
            self.stderr.write(f"{row.get('id')} is odd: {odd}")
        return f"{usd:f}"


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
