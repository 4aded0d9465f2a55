"""An invoice against the ledger: a report, and nothing is stored."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.utils.translation import gettext as _

from costs.bills import LONGEST, reading_at_most
from costs.invoice_csv import InvoiceLine
from costs.reconciling import Comparison, Key, Recorded, reconcile
from costs.selectors import Slice, attempts_in, spend_by
from devora_ops.common.errors import Unprocessable
from devora_ops.common.models import Team

_DAY: Final = dt.timedelta(days=1)
_EVERY_ROW: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """What an invoice and the ledger say of the same days; the last one counts."""

    first_day: dt.date
    last_day: dt.date
    rows: Sequence[Comparison]

    @property
    def ours_usd(self) -> Decimal:
        """What the ledger says."""
        return sum((row.ours_usd or Decimal(0) for row in self.rows), Decimal(0))

    @property
    def theirs_usd(self) -> Decimal:
        """What the invoice says."""
        return sum((row.theirs_usd or Decimal(0) for row in self.rows), Decimal(0))

    @property
    def difference_usd(self) -> Decimal:
        """How much more they charge than we have recorded."""
        return self.theirs_usd - self.ours_usd

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of ours; None of nothing."""
        return self.difference_usd / self.ours_usd * 100 if self.ours_usd else None

    @property
    def matched(self) -> list[Comparison]:
        """The days and models of which both say the same."""
        return [row for row in self.rows if row.is_matched]

    @property
    def unmatched(self) -> list[Comparison]:
        """Those of which they do not."""
        return [row for row in self.rows if not row.is_matched]


def compare_invoice(invoice: Sequence[InvoiceLine], *, zone: ZoneInfo) -> Report:
    """Compare an invoice, whose days are those of a zone, with the ledger.

    Raises Unprocessable for one that reaches further than LONGEST, TooSlow.
    """
    days = [line.day for line in invoice]
    first, last = min(days), max(days)
    if last - first >= LONGEST:
        raise Unprocessable(
            _("An invoice must not reach over more than %(days)s days.")
            % {"days": LONGEST.days},
            code="range_too_long",
            param="file",
        )
    start, end = day_in(zone, first)[0], day_in(zone, last)[1]
    with reading_at_most():
        ledger = _ledger(Slice(start, end, {}), zone)
    return Report(first, last, reconcile(invoice, ledger))


def day_in(zone: ZoneInfo, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return when a day begins and ends in a zone."""
    begins, ends = (
        dt.datetime.combine(each, dt.time(), tzinfo=zone) for each in (day, day + _DAY)
    )
    return begins, ends


def _ledger(part: Slice, zone: ZoneInfo) -> dict[Key, Recorded]:
    """Return what each model cost on each day.

    Rollups do not know what was estimated, so that is of a model and not of its day.
    """
    demo = set(Team.objects.filter(is_demo=True).values_list("slug", flat=True))
    estimated = attempts_in(part).filter(estimated=True).exclude(team__in=demo)
    counted = estimated.order_by().values_list("model").annotate(Count("pk"))
    guessed = dict(counted)
    found: dict[Key, Recorded] = {}
    by = ("day", "model", "team")
    for row in spend_by(by, part, zone=zone, limit=_EVERY_ROW):
        if row.keys["team"] in demo or not row.attempts:
            continue  # nobody charges for what the demo makes up
        key = (row.keys["day"].date(), row.keys["model"])
        before = found.get(key, Recorded())
        found[key] = Recorded(
            before.cost_usd + row.cost_usd,
            before.unpriced + row.unpriced,
            guessed.get(row.keys["model"], 0),
        )
    return found
