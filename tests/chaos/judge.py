"""The simulator's file against the ledger, attempt by attempt.

What the simulator accepted and would bill is the truth here; the product's own words
come from the commands that its operators have: verify_ledger, ledger_export and
budget_state.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from django.core.management import call_command

from devora_ops.simulator import journal

Rates = Mapping[str, Mapping[str, Decimal]]


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt as ledger_export shows it. usd: None without a price."""

    attempt: str
    agent: str
    model: str
    state: str
    usd: Decimal | None
    estimated: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both sides, and what does not agree; every list is empty when all is well.

    bills: what the simulator would bill, in USD by attempt; nothing for what it holds.
    discrepancies: verify_ledger's sentences. budgets: budget_state's rows.
    """

    accepted: Counter[str]
    bills: Mapping[str, Decimal]
    exported: list[Row]
    discrepancies: list[str]
    budgets: list[Mapping[str, Any]]

    @property
    def rows(self) -> dict[str, Row]:
        """The ledger's rows by attempt."""
        return {row.attempt: row for row in self.exported}

    @property
    def lost(self) -> list[str]:
        """What the simulator accepted and the ledger does not know."""
        rows = self.rows
        return [attempt for attempt in self.accepted if attempt not in rows]

    @property
    def double(self) -> list[str]:
        """What was sent twice under one hold, or has two rows."""
        rows = Counter(row.attempt for row in self.exported)
        return [
            attempt
            for attempt, count in (*self.accepted.items(), *rows.items())
            if count > 1
        ]

    @property
    def unknown(self) -> list[Row]:
        """What was sent and whose bill nobody told: charged at its worst case."""
        return self._in_state("unknown")

    @property
    def held(self) -> list[Row]:
        """What is not settled yet."""
        return self._in_state("held")

    @property
    def estimated(self) -> list[Row]:
        """What was settled by a guess."""
        return [row for row in self._in_state("settled") if row.estimated]

    @property
    def undercharged(self) -> list[str]:
        """What the ledger has at less than the simulator's bill."""
        return [
            f"{row.attempt} ({row.model}, {row.state}): ${row.usd}, "
            f"billed ${self.bills[row.attempt]}"
            for row in self.exported
            if self._bill(row) > (row.usd or 0)
        ]

    @property
    def inexact(self) -> list[str]:
        """What was settled by the provider's own usage and yet at another sum."""
        return [
            f"{row.attempt}: ${row.usd}, billed ${self._bill(row)}"
            for row in self._in_state("settled")
            if not row.estimated and row.usd != self._bill(row)
        ]

    @property
    def overspent(self) -> list[str]:
        """Hard budgets beyond their limit, and counters that differ from open holds."""
        return [
            f"{it['name']}: limit {it['limit']}, spent {it['spent']}, held {it['held']},"
            f" open holds {it['open_holds']}"
            for it in self.budgets
            if _usd(it, "held") != _usd(it, "open_holds")
            or (it["hard"] and _usd(it, "spent", "held") > Decimal(it["limit"]))
        ]

    @property
    def reserved_usd(self) -> Decimal:
        """What all budgets together hold."""
        return sum((_usd(it, "held") for it in self.budgets), Decimal(0))

    @property
    def billed_usd(self) -> Decimal:
        """What the simulator would bill for everything."""
        return sum(self.bills.values(), Decimal(0))

    @property
    def booked_usd(self) -> Decimal:
        """What the ledger says was spent."""
        spent = (row.usd or Decimal(0) for row in self.exported if row.state != "held")
        return sum(spent, Decimal(0))

    def assert_sound(self, *, estimates: bool = True) -> None:
        """Fail unless nothing is lost, double, too cheap, inexact or overspent.

        estimates: whether guesses at cut streams must not be too cheap. What a provider
        says while we get no processor is a matter of time: the long forms judge it.
        """
        assert self.lost == []
        assert self.double == []
        guessed = set() if estimates else {row.attempt for row in self.estimated}
        assert [it for it in self.undercharged if it.split()[0] not in guessed] == []
        assert self.inexact == []
        assert self.discrepancies == []
        assert self.overspent == []

    def of(self, agent: str) -> "Verdict":
        """Return what concerns one agent; budgets and discrepancies stay whole."""
        mine = [row for row in self.exported if row.agent == agent]
        names = {row.attempt for row in mine}
        return Verdict(
            Counter({it: n for it, n in self.accepted.items() if it in names}),
            {it: usd for it, usd in self.bills.items() if it in names},
            mine,
            self.discrepancies,
            self.budgets,
        )

    def _in_state(self, state: str) -> list[Row]:
        return [row for row in self.exported if row.state == state]

    def _bill(self, row: Row) -> Decimal:
        return self.bills.get(row.attempt, Decimal(0))


def judged(file: Path, rates: Rates) -> Verdict:
    """Compare a simulator's file with the ledger that Django's ORM is on.

    rates: USD per token by `provider/name`.
    """
    entries = [entry for entry in journal.read(file) if entry.attempt]
    accepted = Counter(str(it.attempt) for it in entries if it.event == "accepted")
    rows = [_row(line) for line in _said("ledger_export", since="2000-01-01")]
    # What another upstream served, whose prices are none of these, is not in the file.
    exported = [it for it in rows if it.attempt in accepted or it.model in rates]
    models = {row.attempt: row.model for row in exported}
    return Verdict(
        accepted,
        _bills(entries, models, rates),
        exported,
        _said("verify_ledger"),
        orjson.loads("\n".join(_said("budget_state"))),
    )


def _bills(
    entries: Iterable[journal.Entry], models: Mapping[str, str], rates: Rates
) -> dict[str, Decimal]:
    bills: dict[str, Decimal] = {}
    for entry in entries:
        if entry.event == "billed":
            attempt = str(entry.attempt)
            price = rates.get(models.get(attempt, ""), {})
            bills[attempt] = bills.get(attempt, Decimal(0)) + _price(entry.usage, price)
    return bills


def _price(usage: Mapping[str, Any], rates: Mapping[str, Decimal]) -> Decimal:
    """Price a usage in OpenAI's shape or in Anthropic's; OpenRouter's is a bill."""
    zero = Decimal(0)
    if "cost" in usage:
        return Decimal(str(usage["cost"]))
    inward = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    outward = usage.get("completion_tokens", usage.get("output_tokens", 0))
    return inward * rates.get("input", zero) + outward * rates.get("output", zero)


def _said(command: str, **options: Any) -> list[str]:
    """Run a command of manage.py; return its lines. An exit code is not looked at."""
    out = io.StringIO()
    try:
        call_command(command, stdout=out, stderr=io.StringIO(), **options)
    except SystemExit:
        assert out.getvalue(), f"{command} failed without a word"
    return out.getvalue().splitlines()


def _row(line: str) -> Row:
    row = orjson.loads(line)
    usd = row["cost_usd"]
    return Row(
        row["attempt_id"],
        row["agent"],
        row["model"],
        row["state"],
        None if usd is None else Decimal(usd),
        row["estimated"],
    )


def _usd(budget: Mapping[str, Any], *names: str) -> Decimal:
    return sum((Decimal(budget[name]) for name in names), Decimal(0))
