"""From a number to its rows: addresses in the admin that show what was counted."""

from urllib.parse import urlencode

from django.urls import reverse

from devora_ops.dashboard.filters import DIMENSIONS, View


def calls_url(view: View, *, status: str = "") -> str:
    """Return the list of the calls that a page's filters admit."""
    pairs = [("since", view.range)]
    if status:
        pairs.append(("status__exact", status))
    for name in DIMENSIONS:
        wanted = view.scope.wanted(name)
        if len(wanted) == 1:
            pairs.append((name, wanted[0]))
        elif wanted:
            pairs.append((f"{name}__in", ",".join(wanted)))
    return f"{reverse('admin:costs_call_changelist')}?{urlencode(pairs)}"
