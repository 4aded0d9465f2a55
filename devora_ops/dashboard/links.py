"""From a number to its rows and back: addresses that keep what was asked for."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from devora_ops.dashboard.filters import CALL_FIELDS, DIMENSIONS, View
from devora_ops.dashboard.windows import DEFAULT_RANGE, RANGES

# Lists of calls end now, so a chosen time is within the shortest that reaches it.
_REACHES: Final = {"mtd": "30d", "last_month": "90d", "custom": "90d"}


def calls_url(view: View, *, status: str = "") -> str:
    """Return the list of the calls that a page's filters admit."""
    pairs = [("since", _REACHES.get(view.range, view.range))]
    for name in DIMENSIONS:
        field = CALL_FIELDS.get(name, name)
        wanted = [status] if status and name == "status" else view.scope.wanted(name)
        if name == "status" and len(wanted) == 1:
            pairs.append(("status__exact", wanted[0]))
        elif len(wanted) == 1:
            pairs.append((field, wanted[0]))
        elif wanted:
            pairs.append((f"{field}__in", ",".join(wanted)))
    return f"{reverse('admin:costs_call_changelist')}?{urlencode(pairs)}"


def overview_url(calls: QueryDict) -> str:
    """Return the Overview of what a list of calls shows, by that list's address."""
    pairs = [*_range_of(calls)]
    for name in DIMENSIONS:
        field = CALL_FIELDS.get(name, name)
        several = calls.get(f"{field}__in", "")
        one = calls.get(field) or calls.get(f"{field}__exact")
        values = [one] if one else several.split(",") if several else []
        pairs += [(name, value) for value in values]
    query = urlencode(pairs)
    return reverse("dashboard:overview") + (f"?{query}" if query else "")


def _range_of(calls: QueryDict) -> Iterator[tuple[str, str]]:
    since = calls.get("since", "")
    if since in RANGES and since != DEFAULT_RANGE:
        yield "range", since
