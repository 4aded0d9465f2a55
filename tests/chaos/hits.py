"""What the simulator's file says of one model: when it was asked, and for which call."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from devora_ops.simulator import journal
from devora_ops.simulator.journal import Entry
from tests.provisioning import Provisioning, wait_until


@dataclass(frozen=True, slots=True)
class Hits:
    """How often, and when, a model was asked."""

    entries: Sequence[Entry]

    @property
    def count(self) -> int:
        """How often it was asked."""
        return len(self.entries)

    @property
    def served(self) -> int:
        """How often it did not refuse."""
        return sum(entry.event == "accepted" for entry in self.entries)

    @property
    def moments(self) -> list[float]:
        """When it was asked, by time.time()."""
        return [entry.at.timestamp() for entry in self.entries]

    def since(self, moment: float, until: float = float("inf")) -> "Hits":
        """Return those from a moment of time.time() on, and before another."""
        first, last = (
            dt.datetime.fromtimestamp(min(it, 4e9), dt.UTC) for it in (moment, until)
        )
        return Hits([entry for entry in self.entries if first <= entry.at < last])


def hits_of(staged: Provisioning, model: str) -> Hits:
    """Read what the simulator wrote of a model (`provider/name`)."""
    name = model.partition("/")[2]
    mark = b'"model":"%b"' % name.encode()  # the file of a long run is long
    lines = staged.journal.read_bytes().splitlines(keepends=True)
    entries = journal.entries(b"".join(line for line in lines if mark in line))
    return Hits([entry for entry in entries if entry.event != "billed"])


def hits_by_call(staged: Provisioning, hits: Hits) -> dict[str, list[Entry]]:
    """Group hits by the calls that they were made for, once the ledger knows them."""
    query = (
        "SELECT id::text, call_id::text FROM costs_attempt WHERE id = ANY(%s::uuid[])"
    )
    attempts = [entry.attempt for entry in hits.entries]
    wait_until(lambda: len(staged.rows(query, attempts)) == len(attempts))
    calls = {row["id"]: row["call_id"] for row in staged.rows(query, attempts)}
    grouped = defaultdict(list)
    for entry in hits.entries:
        grouped[calls[str(entry.attempt)]].append(entry)
    return dict(grouped)
