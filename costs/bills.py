"""Bills of periods, read from the facts: what `explaining` compares.

Rollups know neither which try an attempt was, nor tokens by price; so the attempts of
each period are read once, and only those partitions that their ids lie in. What our own
cache answered has no attempt and comes from a rollup.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from costs.adjusting import adjusted
from costs.explaining import Bill, ModelUse, Term, explain
from costs.models import BillPart, CallStatus, Price
from costs.pricing import Rates
from costs.selectors import Slice, attempts_in, calls_by
from devora_ops.common.errors import InvalidRequest, Unavailable

FILTERS: Final = ("team", "agent", "model", "prompt")
LONGEST: Final = dt.timedelta(days=92)
_TIMEOUT_MS: Final = 8000


class TooSlow(Unavailable):
    """There are too many attempts to read them while somebody waits."""

    code = "too_slow"


@dataclass(frozen=True, slots=True)
class PeriodBill:
    """A period with its bill; unpriced attempts cost nothing in it, estimated ones do."""

    period: Slice
    bill: Bill
    attempts: int
    unpriced: int
    estimated: int


@dataclass(frozen=True, slots=True)
class Explained:
    """Two bills and what the second differs by from the first, in the order of TERMS."""

    before: PeriodBill
    after: PeriodBill
    terms: tuple[Term, ...]

    @property
    def difference_usd(self) -> Decimal:
        """How much more the second period cost."""
        return self.after.bill.total_usd - self.before.bill.total_usd


def explained(
    before: Slice, after: Slice, *, timeout_ms: int = _TIMEOUT_MS
) -> Explained:
    """Compare two periods, widened to whole quarters of an hour.

    part.where: values of FILTERS. Raises InvalidRequest for a period that is longer than
    LONGEST, TooSlow when reading one takes longer than timeout_ms.
    """
    periods = {"from": after.widened(), "before_from": before.widened()}
    for name, period in periods.items():
        if period.end - period.start > LONGEST:
            raise InvalidRequest(
                _("A period to explain must not be longer than %(days)s days.")
                % {"days": LONGEST.days},
                code="range_too_long",
                param=name,
            )
    second, first = (_read(period, timeout_ms) for period in periods.values())
    return Explained(first, second, explain(first.bill, second.bill))


class _Group(NamedTuple):
    """Attempts of one part of a bill, on one model, at one price."""

    part: str
    model: str
    price_id: int | None
    attempts: int
    unpriced: int
    estimated: int
    input_tokens: int
    read_tokens: int
    written_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


def _read(period: Slice, timeout_ms: int) -> PeriodBill:
    with reading_at_most(timeout_ms):
        groups = _grouped(attempts_in(period))
        hits = calls_by("model", period, status=CallStatus.CACHED, variant="")
        repriced = adjusted(period)
    return PeriodBill(
        period,
        _bill(groups, hits, repriced.cost_usd),
        attempts=sum(group.attempts for group in groups),
        unpriced=sum(group.unpriced for group in groups) + repriced.unpriced,
        estimated=sum(group.estimated for group in groups),
    )


@contextmanager
def reading_at_most(timeout_ms: int = _TIMEOUT_MS) -> Iterator[None]:
    """Bound how long each statement inside may take; raises TooSlow beyond that."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)",
                    [str(timeout_ms)],
                )
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TooSlow(
            _(
                "That is too much to read at once: choose shorter periods, or one "
                "team, agent, model or prompt."
            )
        ) from error


def _grouped(attempts: QuerySet[Any]) -> list[_Group]:
    rows = (
        attempts.order_by()
        .values_list("part", "model", "price_id")
        .annotate(
            tries=Count("pk"),
            unpriced=Count("pk", filter=Q(cost_usd=None)),
            guessed=Count("pk", filter=Q(estimated=True)),
            went_in=Sum("input_tokens"),
            read=Sum("cache_read_tokens"),
            written=Sum("cache_write_tokens"),
            came_out=Sum("output_tokens"),
            spent=Sum("cost_usd"),
        )
    )
    return [_Group(*row) for row in rows]


def _bill(groups: Iterable[_Group], hits: Mapping[str, int], repriced: Decimal) -> Bill:
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    answered: defaultdict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        if group.part == BillPart.ANSWERS:
            answered[group.model].append(group)
        else:
            spent[group.part] += group.cost_usd or 0
    prices = _prices(group for use in answered.values() for group in use)
    return Bill(
        {
            model: _use(answered[model], hits.get(model, 0), prices)
            for model in hits.keys() | answered.keys()
        },
        retries_usd=spent[BillPart.RETRIES],
        experiments_usd=spent[BillPart.EXPERIMENTS],
        embeddings_usd=spent[BillPart.EMBEDDINGS],
        repricing_usd=repriced,
    )


def _prices(groups: Iterable[_Group]) -> Mapping[int, Price]:
    ids = {group.price_id for group in groups if group.price_id is not None}
    return Price.objects.in_bulk(ids)


def _use(groups: Iterable[_Group], hits: int, prices: Mapping[int, Price]) -> ModelUse:
    """Sum a model's groups; its rates are the mean of those that its answers met."""
    groups = list(groups)
    met = [
        (prices[group.price_id], group.attempts)
        for group in groups
        if group.price_id is not None and group.price_id in prices
    ]
    return ModelUse(
        answers=sum(group.attempts for group in groups),
        hits=hits,
        input_tokens=sum(group.input_tokens for group in groups),
        read_tokens=sum(group.read_tokens for group in groups),
        written_tokens=sum(group.written_tokens for group in groups),
        output_tokens=sum(group.output_tokens for group in groups),
        cost_usd=sum((group.cost_usd or Decimal(0) for group in groups), Decimal(0)),
        rates=Rates(**{name: _mean(name, met) for name in Rates.__slots__}),
        per_request=_mean("per_request", met) or Decimal(0),
    )


def _mean(name: str, met: Iterable[tuple[Price, int]]) -> Decimal | None:
    known = [
        (rate, answers)
        for price, answers in met
        if (rate := getattr(price, name)) is not None
    ]
    if not known:
        return None
    weighed = sum((rate * answers for rate, answers in known), Decimal(0))
    return weighed / sum(answers for _rate, answers in known)
