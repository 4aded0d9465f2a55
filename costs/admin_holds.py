"""The admin's list of money that is set aside for calls under way."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from costs.models import Counter, Hold
from devora_ops.common import formats
from devora_ops.common.columns import column
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.paging import InfinitePaginator, ReadOnly

_AMOUNT = column(Hold, "amount", formats.exact_money)


class HoldAdmin(ReadOnly, SafeModelAdmin):
    """Holds, oldest first: one that stays is a call that hangs, or a process that died."""

    empty_text = _("No money is set aside: no call is under way.")
    paginator = InfinitePaginator
    list_max_show_all = 0
    list_per_page = 50
    list_display = ("age", "asked", "agent", "team", _AMOUNT, "budgets")
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("attempt_id", "call_id"),
                    ("created_at", "owner"),
                    ("asked", "agent", "team"),
                    (_AMOUNT, "budgets"),
                )
            },
        ),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Name the budgets of all rows at once."""
        listed = super().get_changelist_instance(request)
        _name_budgets(listed.result_list)
        return listed

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        """Return a hold with the names of its budgets."""
        hold: Any = super().get_object(*args, **kwargs)
        _name_budgets([hold] if hold else [])
        return hold

    @admin.display(description=_("for"))
    def age(self, hold: Hold) -> str:
        """Return for how long the money has been set aside."""
        seconds = (timezone.now() - hold.created_at).total_seconds()
        if seconds < 60:
            return formats.latency(max(seconds, 0) * 1000)
        return timesince(hold.created_at)

    @admin.display(description=_("model"))
    def asked(self, hold: Hold) -> str:
        """Return which model was asked."""
        return str(hold.facts.get("model", ""))

    @admin.display(description=_("agent"))
    def agent(self, hold: Hold) -> str:
        """Return whose call it is."""
        return str(hold.facts.get("who", {}).get("agent", ""))

    @admin.display(description=_("team"))
    def team(self, hold: Hold) -> str:
        """Return whose agent it is."""
        return str(hold.facts.get("who", {}).get("team", ""))

    @admin.display(description=_("budgets"), empty_value="–")
    def budgets(self, hold: Any) -> str:
        """Return the budgets that it was taken from."""
        return ", ".join(hold.budget_names)


def _name_budgets(holds: Iterable[Any]) -> None:
    holds = list(holds)
    counters = {counter for hold in holds for counter in hold.counters}
    found = Counter.objects.filter(pk__in=counters).values_list("pk", "budget__name")
    names = dict(found)
    for hold in holds:
        hold.budget_names = sorted(
            names[each] for each in hold.counters if each in names
        )
