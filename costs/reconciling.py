"""What a provider charges against what the ledger says, by day and model. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from costs.invoice_csv import InvoiceLine

Cause = Literal[
    "", "model_unknown", "unpriced", "time_zone", "estimated", "unexplained"
]
CAUSES: Final = (
    "",
    "model_unknown",
    "unpriced",
    "time_zone",
    "estimated",
    "unexplained",
)

_CENT: Final = Decimal("0.01")
# A neighbour makes up for a day when so little of both differences is left together.
_LEFT: Final = Decimal("0.1")
_DAY: Final = dt.timedelta(days=1)

Key = tuple[dt.date, str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger has of a model on a day; the counts are of attempts.

    estimated: in all the time of the invoice.
    """

    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    estimated: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model's day in both books; None where one of them does not have it."""

    day: dt.date
    model: str
    ours_usd: Decimal | None
    theirs_usd: Decimal | None
    cause: Cause = ""

    @property
    def difference_usd(self) -> Decimal:
        """How much more they charge than we have recorded."""
        return (self.theirs_usd or Decimal(0)) - (self.ours_usd or Decimal(0))

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of ours; None of nothing."""
        return self.difference_usd / self.ours_usd * 100 if self.ours_usd else None

    @property
    def is_matched(self) -> bool:
        """Whether both say the same, to the cent."""
        return abs(self.difference_usd) <= _CENT


def reconcile(
    invoice: Iterable[InvoiceLine], ledger: Mapping[Key, Recorded]
) -> list[Comparison]:
    """Compare an invoice with the ledger's days, keyed by `provider/name`.

    Lines of one day and model are summed: providers charge input apart from output. A
    model without its provider is the one of that name, if there is one only. Of the ledger, only the
    providers count that the invoice is about.
    """
    ours = {model.lower(): model for _day, model in ledger}
    theirs: defaultdict[Key, Decimal] = defaultdict(Decimal)
    for line in invoice:
        theirs[line.day, _model(line, ours)] += line.amount_usd
    charged = {_provider(model) for _day, model in theirs}
    keys = theirs.keys() | {key for key in ledger if _provider(key[1]) in charged}
    compared = {
        key: Comparison(*key, _cost(ledger.get(key)), theirs.get(key)) for key in keys
    }
    known = set(ours.values())
    return [
        Comparison(
            *key,
            found.ours_usd,
            found.theirs_usd,
            _cause(found, compared, ledger.get(key, Recorded()), known),
        )
        for key, found in sorted(compared.items())
    ]


def _model(line: InvoiceLine, ours: Mapping[str, str]) -> str:
    """Return our name of a line's model, or theirs when we have none."""
    name = f"{line.provider}/{line.model}" if line.provider else line.model
    if found := ours.get(name.lower()):
        return found
    bare = line.model.lower()
    named = [model for low, model in ours.items() if low.partition("/")[2] == bare]
    if len(named) == 1 and not line.provider:
        return named[0]
    return name


def _provider(model: str) -> str:
    provider, slash, _name = model.partition("/")
    return provider.lower() if slash else ""


def _cost(recorded: Recorded | None) -> Decimal | None:
    return None if recorded is None else recorded.cost_usd


def _cause(
    found: Comparison,
    compared: Mapping[Key, Comparison],
    recorded: Recorded,
    known: set[str],
) -> Cause:
    """Return the likeliest reason, that which explains most surely first."""
    if found.is_matched:
        return ""
    if found.model not in known:
        return "model_unknown"
    if recorded.unpriced and found.difference_usd > 0:
        return "unpriced"
    neighbours = [
        compared.get((found.day + step, found.model)) for step in (-_DAY, _DAY)
    ]
    if any(each and _make_up(found, each) for each in neighbours):
        return "time_zone"
    return "estimated" if recorded.estimated else "unexplained"


def _make_up(one: Comparison, other: Comparison) -> bool:
    left = abs(one.difference_usd + other.difference_usd)
    return not other.is_matched and left <= _LEFT * abs(one.difference_usd)
