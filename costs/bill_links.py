"""From a term of an explained bill to the attempts behind it."""

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from costs.explaining import Term
from costs.models import BillPart
from costs.selectors import Slice


@dataclass(frozen=True, slots=True)
class Links:
    """The same attempts over REST and as a page, by their addresses on this site."""

    rest: str
    page: str


def links(period: Slice, term: Term) -> Links:
    """Return where the attempts of a period are listed that a term is about."""
    is_apart = term.name in BillPart.values
    part = term.name if is_apart else BillPart.ANSWERS.value
    start, end = _written(period.start), _written(period.end)
    rest = {"from": start, "to": end, "part": part, **period.where}
    page = {"since": between(period.start, period.end), "part": part, **period.where}
    if term.name == "repricing":  # of whichever part
        del rest["part"], page["part"]
    return Links(
        f"{reverse('costs-attempt-list')}?{urlencode(rest)}",
        f"{reverse('admin:costs_attempt_changelist')}?{urlencode(page)}",
    )


def between(start: dt.datetime, end: dt.datetime) -> str:
    """Return what the lists of calls and attempts take for a period; end is exclusive."""
    return f"{_written(start)}/{_written(end)}"


def _written(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
