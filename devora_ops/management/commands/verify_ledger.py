"""`manage.py verify_ledger`: prove that the books add up."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from costs.verification import discrepancies


class Command(BaseCommand):
    """Exit 1 and name what does not add up."""

    help = "Check that counters, holds, attempts and rollups say the same."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for sentence in discrepancies():
            self.stdout.write(sentence)
            found += 1
        if found:
            self.stderr.write(f"{found} discrepancies")
            sys.exit(1)
        self.stderr.write("The ledger adds up.")
