"""Importing a file of prices into the book: a preview, or all of its rows or none."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.models import Price
from costs.price_import import KnownPrice, Review, Reviewed, review
from costs.price_rows import RATES, ProposedPrice
from costs.services import record_price
from devora_ops.common import audit
from devora_ops.common.errors import Unprocessable

_MOST_TOLD = 20
# Two imports at once would each supersede what neither has seen.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('costs.price_import'))"
_CONFIRM = """
UPDATE costs_price AS p SET confirmed_at = now()
FROM unnest(%s::text[], %s::timestamptz[]) AS s(model, valid_from)
WHERE p.model = s.model AND p.valid_from = s.valid_from
"""


class ImportRefused(Unprocessable):
    """Rows that stand in the way of an import; `review` has them all."""

    def __init__(self, message: str, rows: Sequence[Reviewed], found: Review) -> None:
        told = [
            {"line": r.row.line, "model": r.row.model, "sentences": list(r.sentences)}
            for r in rows[:_MOST_TOLD]
        ]
        super().__init__(
            message, code="rows_refused", param="file", extra={"rows": told}
        )
        self.review = found


def preview(rows: Sequence[ProposedPrice]) -> Review:
    """Compare rows with the book as it is; nothing is written."""
    return review(rows, _book(rows), now=timezone.now())


def doubts_about(price: Price) -> tuple[str, ...]:
    """Return what is odd about a price that was just added, beside older ones too."""
    rates = {name: getattr(price, name) for name in RATES}
    row = ProposedPrice(0, price.model, rates, price.valid_from, price.schedule)
    older = [each for each in _book([row]) if each.valid_from < price.valid_from]
    (found,) = review([row], older, now=price.valid_from).rows
    return found.sentences if found.verdict == "suspicious" else ()


@transaction.atomic
def import_prices(
    rows: Sequence[ProposedPrice],
    *,
    accept_suspicious: Collection[str],
    actor: str,
    request_id: str = "",
) -> tuple[Review, list[Price]]:
    """Add a price for each row that says something new; all of them, or none.

    Of what the rows say the same, the book says from then on that it is confirmed.
    accept_suspicious: the models whose suspicious rows somebody has confirmed.
    Raises ImportRefused while a row is invalid, or suspicious and not confirmed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME)
    found = preview(rows)
    _check(found, accept_suspicious)
    made = Price.objects.bulk_create(map(_price, found.written()))
    for price in made:
        record_price(price, actor=actor, request_id=request_id)
    _confirm(found.confirmed())
    confirmed = {r.row.model for r in found.rows if r.verdict == "suspicious"}
    audit.record(
        actor=actor,
        action="price.import",
        object_type="costs.price",
        object_id="",
        after={"rows": found.counts, "confirmed": sorted(confirmed)},
        request_id=request_id,
    )
    return found, made


def _confirm(prices: Sequence[KnownPrice]) -> None:
    if not prices:
        return
    models = [price.model for price in prices]
    moments = [price.valid_from for price in prices]
    with connection.cursor() as cursor:
        cursor.execute(_CONFIRM, [models, moments])


def _check(found: Review, accepted: Collection[str]) -> None:
    if invalid := [row for row in found.rows if row.verdict == "invalid"]:
        raise ImportRefused(
            _("Nothing was imported: some rows are invalid."), invalid, found
        )
    if doubtful := found.unconfirmed(accepted):
        raise ImportRefused(
            _("Nothing was imported: confirm the suspicious rows, or leave them out."),
            doubtful,
            found,
        )


def _book(rows: Sequence[ProposedPrice]) -> list[KnownPrice]:
    models = {row.model for row in rows if not row.problems}
    return [
        KnownPrice(
            price.model,
            price.valid_from,
            {name: getattr(price, name) for name in RATES},
            price.schedule,
        )
        for price in Price.objects.filter(model__in=models)
    ]


def _price(reviewed: Reviewed) -> Price:
    row = reviewed.row
    fields: dict[str, Any] = {
        "model": row.model,
        "valid_from": reviewed.valid_from,
        "schedule": dict(row.schedule),
        "source": row.source,
        **row.rates,
    }
    return Price(**fields)
