"""All prices that some models have had, and will have."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable

from costs.models import Price as PriceRow
from costs.price_rows import RATES
from costs.pricing import Price, ScheduleInvalid, make_price
from costs.snapshot import PriceBook

log = logging.getLogger("[CostTracker]")


def price_history(models: Iterable[str]) -> PriceBook:
    """Return the price book of models; one without a valid price is not in it."""
    starts: defaultdict[str, list[dt.datetime]] = defaultdict(list)
    prices: defaultdict[str, list[Price]] = defaultdict(list)
    for row in PriceRow.objects.filter(model__in=list(models)).order_by("valid_from"):
        columns = {name: getattr(row, name) for name in RATES}
        try:
            price = make_price({"id": row.pk, "schedule": row.schedule, **columns})
        except ScheduleInvalid as error:
            log.error("price %s of %s is left out: %s", row.pk, row.model, error)
            continue
        starts[row.model].append(row.valid_from)
        prices[row.model].append(price)
    return PriceBook(dict(starts), dict(prices))
